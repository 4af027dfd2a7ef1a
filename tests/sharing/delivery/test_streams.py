"""Stream management as OpenID Shared Signals Framework 1.0 says, over the endpoints themselves."""

from typing import Any

import pytest
import sqlalchemy as sa

from sharing.delivery import allowances
from sharing.delivery.notices import release
from sharing.ledger.leaves import Disclosed
from sharing.tokens import Opener, Sealer
from tests.sharing.delivery.api import ACQUIRER, AGENCY, EVENT, PUSH_URL, Office
from tests.sharing.delivery.fakes import NOW_MS, SCHEDULE
from tests.sharing.delivery.partners import ISSUER
from tests.sharing.sealed import JWKS, OURS

POLL, PUSH = "urn:ietf:rfc:8936", "urn:ietf:rfc:8935"


@pytest.fixture
def office(engine: sa.Engine) -> Office:
    return Office(engine)


def test_the_transmitter_says_where_its_endpoints_are_and_offers_no_subjects(office: Office) -> None:
    answer = office.ask("GET", "/.well-known/ssf-configuration", partner=None)
    assert answer.json() == {
        "spec_version": "1_0",
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/jwks.json",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{ISSUER}/ssf/stream",
        "status_endpoint": f"{ISSUER}/ssf/status",
        "verification_endpoint": f"{ISSUER}/ssf/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }
    server = office.ask("GET", "/.well-known/oauth-authorization-server", partner=None).json()
    assert (server["token_endpoint"], server["token_endpoint_auth_methods_supported"]) == (
        f"{ISSUER}/oauth/token", ["private_key_jwt"],
    )  # fmt: skip
    keys = office.ask("GET", "/jwks.json", partner=None)
    assert (keys.json(), keys.headers["content-type"]) == ({"keys": []}, "application/jwk-set+json")


def test_a_stream_is_polled_unless_it_says_otherwise(office: Office) -> None:
    told = office.stream(description="fraud desk")
    assert told == {
        "stream_id": told["stream_id"],
        "iss": ISSUER,
        "aud": "acquirer",
        "delivery": {"method": POLL, "endpoint_url": f"{ISSUER}/ssf/poll/{told['stream_id']}"},
        "events_supported": [EVENT],
        "events_delivered": [EVENT],
        "min_verification_interval": 60,
        "description": "fraud desk",
    }
    assert len(told["stream_id"]) == 22
    assert office.ask("GET", "/ssf/stream").json() == [told]
    assert office.ask("GET", "/ssf/stream", params={"stream_id": told["stream_id"]}).json() == told
    assert office.ask("GET", "/ssf/stream", AGENCY).json() == []


def test_a_push_goes_to_the_contracts_url_and_nowhere_else(office: Office) -> None:
    wrong = {"method": PUSH, "endpoint_url": "https://elsewhere.example/"}
    assert office.ask("POST", "/ssf/stream", json={"delivery": wrong}).status_code == 403
    assert office.stream(delivery={"method": PUSH, "endpoint_url": PUSH_URL})["delivery"] == {
        "method": PUSH, "endpoint_url": PUSH_URL,
    }  # fmt: skip
    answer = office.ask("POST", "/ssf/stream", AGENCY, json={"delivery": {"method": PUSH}})
    assert answer.json()["description"] == "the contract names no push_url: push needs a contract that does"


def test_a_partner_has_one_stream(office: Office) -> None:
    office.stream()
    assert office.ask("POST", "/ssf/stream", json={}).status_code == 409


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"delivery": {"method": "urn:other"}}, 400),
        ({"delivery": {"method": POLL, "authorization_header": "Bearer x"}}, 400),
        ({"events_requested": ["https://other.example/event"]}, 400),
        ({"description": "x" * 201}, 400),
        ({"description": "no\0where"}, 400),
        ({"delivery": "poll"}, 400),
    ],
)
def test_what_a_stream_cannot_be_is_refused(office: Office, asked: dict[str, Any], status: int) -> None:
    assert office.ask("POST", "/ssf/stream", json=asked).status_code == status
    assert office.ask("GET", "/ssf/stream").json() == []


def test_an_update_changes_what_it_names_and_a_replacement_all(office: Office) -> None:
    made = office.stream(description="first", events_requested=[EVENT, "https://other.example/event"])
    stream = {"stream_id": made["stream_id"]}
    push = {"method": PUSH, "endpoint_url": PUSH_URL}
    updated = office.ask("PATCH", "/ssf/stream", json=stream | {"delivery": push})
    assert updated.json() == made | {"delivery": push}
    replaced = office.ask("PUT", "/ssf/stream", json=stream | {"delivery": push})
    assert replaced.json() == {
        name: value for name, value in updated.json().items() if name not in {"description", "events_requested"}
    }
    assert office.ask("GET", "/ssf/stream").json() == [replaced.json()]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    "changed", [{"iss": "https://other.example"}, {"aud": "agency"}, {"events_delivered": []}, {"events_supported": []}]
)
def test_what_the_transmitter_sets_is_not_changed(office: Office, method: str, changed: dict[str, Any]) -> None:
    made = office.stream()
    assert office.ask(method, "/ssf/stream", json=made).status_code == 200
    assert office.ask(method, "/ssf/stream", json=made | changed).status_code == 400


def test_another_partners_stream_is_like_none(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    office.stream(AGENCY)
    for method, path in (("GET", "/ssf/stream"), ("DELETE", "/ssf/stream"), ("GET", "/ssf/status")):
        assert office.ask(method, path, AGENCY, params=stream).status_code == 404
    for method, path, more in (
        ("PATCH", "/ssf/stream", {}), ("PUT", "/ssf/stream", {}), ("POST", "/ssf/verify", {}),
        ("POST", "/ssf/status", {"status": "paused"}),
    ):  # fmt: skip
        assert office.ask(method, path, AGENCY, json=stream | more).status_code == 404
    assert office.ask("GET", "/ssf/status", params=stream).json() == stream | {"status": "enabled"}


def test_a_deleted_stream_is_gone_and_another_may_be_made(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    assert office.ask("DELETE", "/ssf/stream", params=stream).status_code == 204
    assert office.ask("DELETE", "/ssf/stream", params=stream).status_code == 404
    assert office.stream()["stream_id"] != stream["stream_id"]


def test_a_status_is_set_with_its_reason_and_disabled_is_refused(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    paused = stream | {"status": "paused", "reason": "maintenance"}
    assert office.ask("POST", "/ssf/status", json=paused).json() == paused
    assert office.ask("GET", "/ssf/status", params=stream).json() == paused
    answer = office.ask("POST", "/ssf/status", json=stream | {"status": "disabled"})
    assert (answer.status_code, answer.json()["err"]) == (403, "access_denied")
    assert office.ask("POST", "/ssf/status", json=stream | {"status": "asleep"}).status_code == 400


def test_our_own_pause_shows_in_the_status(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    with office.desktop.engine.begin() as connection:
        allowances.pause(connection, "acquirer", "sara", NOW_MS)
    told = office.ask("GET", "/ssf/status", params=stream).json()
    assert told == stream | {"status": "paused", "reason": "held by the transmitter"}


@pytest.mark.parametrize("change", ["add", "remove"])
def test_subjects_are_refused_whoever_they_are(office: Office, change: str) -> None:
    stream = office.stream()["stream_id"]
    told = set()
    for subject in ("known@store.example", "unknown@store.example"):
        asked = {"stream_id": stream, "subject": {"format": "email", "email": subject}}
        answer = office.ask("POST", f"/ssf/subjects/{change}", json=asked)
        told.add((answer.status_code, answer.text))
    assert {status for status, _ in told} == {403}
    assert len(told) == 1


def test_a_verification_event_comes_over_the_stream_with_the_receivers_state(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    assert office.ask("POST", "/ssf/verify", json=stream | {"state": "VGhpcyBpcyBhbiBleGFtcGxl"}).status_code == 204
    assert office.poll(stream["stream_id"])["sets"] == {}
    sealer = Sealer(ISSUER, OURS, {"acquirer": ACQUIRER.keys})
    with office.desktop.engine.begin() as connection:
        assert release(connection, sealer, office.desktop.ledger, SCHEDULE, lambda n: b"r" * n, NOW_MS) == 1
    ((jti, sealed),) = office.poll(stream["stream_id"])["sets"].items()
    token = Opener(ACQUIRER.private, JWKS, issuer=ISSUER, audience="acquirer").open(sealed.encode())
    assert (token.jti, token.sub_id, token.event) == (jti, stream["stream_id"], b'{"state":"VGhpcyBpcyBhbiBleGFtcGxl"}')
    assert token.event_uri == "https://schemas.openid.net/secevent/ssf/event-type/verification"
    with office.desktop.engine.connect() as connection:
        leaf = office.desktop.ledger.leaf(connection, 0)
    assert isinstance(leaf, Disclosed)


def test_a_stream_is_not_verified_more_often_than_it_says(office: Office) -> None:
    stream = {"stream_id": office.stream()["stream_id"]}
    assert office.ask("POST", "/ssf/verify", json=stream).status_code == 204
    office.now_ms += 59_999
    again = office.ask("POST", "/ssf/verify", json=stream)
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    office.now_ms += 1
    assert office.ask("POST", "/ssf/verify", json=stream).status_code == 204


def test_when_the_contract_has_ended_a_stream_stays_and_none_is_made(office: Office) -> None:
    told = office.stream()
    office.ended = True
    assert office.ask("GET", "/ssf/stream", params={"stream_id": told["stream_id"]}).json() == told
    changed = {"stream_id": told["stream_id"], "description": "withdrawals alone"}
    assert office.ask("PATCH", "/ssf/stream", json=changed).status_code == 200
    refused = office.ask("POST", "/ssf/stream", partner=AGENCY, json={})
    assert (refused.status_code, "no contract with this partner is in force" in refused.text) == (403, True)
