"""Access tokens for signed assertions, over the endpoints themselves."""

from typing import Any

import pytest
import sqlalchemy as sa

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from tests.sharing.delivery.api import ACQUIRER, AGENCY, TOKEN_URL, Office
from tests.sharing.delivery.partners import ISSUER, Partner


@pytest.fixture
def office(engine: sa.Engine) -> Office:
    return Office(engine)


def _token(office: Office, assertion: str, **changed: str) -> Any:
    return office.ask("POST", "/oauth/token", partner=None, data=office.form(assertion, **changed))


def test_an_assertion_gets_a_token_that_is_kept_by_its_hash_alone(office: Office) -> None:
    answer = _token(office, office.assertion())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    told = answer.json()
    assert (told["token_type"], told["expires_in"], len(told["access_token"])) == ("Bearer", 300, 43 + 1 + 22)
    with office.desktop.engine.connect() as connection:
        (row,) = connection.execute(sa.text("SELECT token_hash, partner FROM sharing_access"))
    assert (len(row.token_hash), row.partner) == (32, "acquirer")
    assert told["access_token"].encode() not in bytes(row.token_hash)


def test_the_issuer_itself_is_an_audience_too(office: Office) -> None:
    assert _token(office, office.assertion(aud=[ISSUER]), client_id="acquirer").status_code == 200


def test_a_token_ends_with_its_five_minutes(office: Office) -> None:
    bearer = {"Authorization": f"Bearer {office.bearer()}"}
    office.now_ms += 299_999
    assert office.ask("GET", "/ssf/stream", headers=bearer).status_code == 200
    office.now_ms += 1
    answer = office.ask("GET", "/ssf/stream", headers=bearer)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_a_token_ends_with_the_key_set_under_which_it_was_given(office: Office) -> None:
    asked = {"Authorization": f"Bearer {office.bearer()}"}
    assert office.ask("GET", "/ssf/stream", headers=asked).status_code == 200
    office.keys["acquirer"] = Partner("acquirer").keys
    assert office.ask("GET", "/ssf/stream", headers=asked).status_code == 401
    del office.keys["acquirer"]
    assert office.ask("GET", "/ssf/stream", headers=asked).status_code == 401
    office.keys["acquirer"] = ACQUIRER.keys  # made anew of the same file
    assert office.ask("GET", "/ssf/stream", headers=asked).status_code == 200


def test_what_a_token_says_of_its_key_set_cannot_be_changed(office: Office) -> None:
    mine, _, _ = office.bearer().partition(".")
    other = Partner("acquirer")
    office.keys["acquirer"] = other.keys
    _, _, current = _token(office, office.assertion(other)).json()["access_token"].partition(".")
    for forged in (f"{mine}.{current}", mine, f"{mine}."):
        assert office.ask("GET", "/ssf/stream", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_an_assertion_counts_once(office: Office) -> None:
    assertion = office.assertion()
    assert _token(office, assertion).status_code == 200
    again = _token(office, assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert again.json()["error_description"] == "the assertion was used before"


def test_the_same_id_of_two_partners_is_not_the_same(office: Office) -> None:
    for partner in (ACQUIRER, AGENCY):
        assert _token(office, office.assertion(partner, jti="the-same-id")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "https://other.example"}, "aud is not this server alone"),
        ({"aud": [TOKEN_URL, "https://other.example"]}, "aud is not this server alone"),
        ({"aud": []}, "aud is not this server alone"),
        ({"exp": 0}, "the assertion has expired"),
        ({"exp": 9_000_000_000}, "the assertion lives longer than 600 s"),
        ({"iat": 9_000_000_000}, "the assertion is from the future"),
        ({"nbf": 9_000_000_000}, "the assertion is from the future"),
        ({"sub": "agency"}, "iss, sub and client_id are not the same partner"),
        ({"jti": None}, "the assertion's claims are not as RFC 7523 has them, with a jti"),
        ({"exp": None}, "the assertion's claims are not as RFC 7523 has them, with a jti"),
        ({"exp": "soon"}, "the assertion's claims are not as RFC 7523 has them, with a jti"),
        ({"iss": "agency", "sub": "agency"}, "the assertion is not signed by a key of the partner that it names"),
        ({"iss": "nobody", "sub": "nobody"}, "the assertion is not signed by a key of the partner that it names"),
    ],
)
def test_an_assertion_that_does_not_hold_gets_no_token(office: Office, changed: dict[str, Any], why: str) -> None:
    answer = _token(office, office.assertion(**changed))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client", "error_description": why})


def test_a_key_that_only_says_it_is_the_partners_gets_no_token(office: Office) -> None:
    stranger = Partner("acquirer")
    stranger.key = type(stranger.key).import_key({**stranger.key.as_dict(private=True), "kid": str(ACQUIRER.key.kid)})
    assert _token(office, office.assertion(stranger)).status_code == 401


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "other"}, 401, "invalid_client"),
        ({"client_secret": "secret"}, 401, "invalid_client"),
        ({"client_id": "agency"}, 401, "invalid_client"),
        ({"client_assertion": ""}, 401, "invalid_client"),
        ({"client_assertion": "a.b.c"}, 401, "invalid_client"),
        ({"client_assertion": "x" * 5000}, 400, "invalid_request"),
    ],
)
def test_a_form_that_is_not_as_it_must_be_is_refused(
    office: Office, changed: dict[str, str], status: int, error: str
) -> None:
    answer = _token(office, office.assertion(), **changed)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_parameter_that_is_there_twice_is_refused(office: Office) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "grant_type=client_credentials&grant_type=client_credentials"
    answer = office.ask("POST", "/oauth/token", partner=None, content=body, headers=kind)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "a parameter is there twice")
    answer = office.ask("POST", "/oauth/token", partner=None, json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer nothing-of-ours"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ssf/stream"), ("POST", "/ssf/stream"), ("PATCH", "/ssf/stream"), ("PUT", "/ssf/stream"),
        ("DELETE", "/ssf/stream"), ("GET", "/ssf/status"), ("POST", "/ssf/status"), ("POST", "/ssf/verify"),
        ("POST", "/ssf/poll/x"), ("POST", "/ssf/subjects/add"), ("POST", "/ssf/subjects/remove"),
    ],
)  # fmt: skip
def test_nothing_is_answered_without_a_token(office_of_nobody: Office, method: str, path: str, header: str) -> None:
    answer = office_of_nobody.ask(method, path, headers={"Authorization": header}, json={})
    assert (answer.status_code, answer.json()["err"]) == (401, "authentication_failed")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.fixture(scope="module")
def office_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Any:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('office')}/amana.db")
    migrate(engine, MIGRATIONS, LOCK)
    yield Office(engine)
    engine.dispose()
