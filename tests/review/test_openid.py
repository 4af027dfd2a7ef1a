"""Signing in by OpenID Connect, over real HTTP to a provider that may be as hostile as it likes."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
import sqlalchemy as sa
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from history.database import make_engine
from review import tables
from review.access.accounts import Account
from review.access.openid import OpenID, Try
from review.access.provider import PAUSE_S, Provider, client
from review.console.app import console
from review.console.house import House, furnished
from review.database import upgrade
from review.store import SubjectKeyTable
from tests.review.examples import NOW_MS, PASSWORD, vault
from tests.review.oidc_provider import CLIENT, SECRET, provided
from tests.review.oidc_provider import Provider as Foreign
from vault.keyring import Keyring

NOW_S = NOW_MS // 1000
CONSOLE = "http://127.0.0.1:8600"
AGAIN = "This sign-in could not be completed"
NO_PLACE = "but have no place here"


class Clock:
    """Monotonic seconds, as the test moves them."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    with provided(NOW_S) as foreign:
        yield foreign


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(foreign: Foreign, clock: Clock) -> Iterator[Provider]:
    settings = OpenID(
        issuer=foreign.url, client_id=CLIENT, console=CONSOLE, loopback=True,
        roles={"fraud": ("analyst",), "heads": ("lead", "auditor")},
    )  # fmt: skip
    with client() as http:
        yield Provider(settings, SECRET, http, clock)


@pytest.fixture
def house(database_url: str, keyring_path: object, provider: Provider) -> Iterator[House]:
    engine = make_engine(database_url)
    upgrade(engine)
    held = vault(Keyring.load(keyring_path), SubjectKeyTable(engine))  # type: ignore[arg-type]
    yield furnished(engine, *held, os.urandom, lambda: NOW_MS, https=False, provider=provider)
    engine.dispose()


@pytest.fixture
def browser(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as browser:
        yield browser


def sent(browser: TestClient, then: str = "/overview") -> str:
    """Off to the provider; where it sends the browser back to."""
    answer = browser.get("/sign-in/openid", params={"next": then})
    assert answer.status_code == 303
    return httpx2.get(answer.headers["location"], trust_env=False).headers["location"]


def back(browser: TestClient, address: str, **changed: str) -> httpx2.Response:
    parts = urlsplit(address)
    assert (f"{parts.scheme}://{parts.netloc}", parts.path) == (CONSOLE, "/sign-in/openid/back")
    values = {name: value[0] for name, value in parse_qs(parts.query).items()} | changed
    return browser.get(parts.path, params=values)


def signed_in(browser: TestClient) -> httpx2.Response:
    return back(browser, sent(browser))


def refused(answer: httpx2.Response, why: str = AGAIN, status: int = 403) -> bool:
    return answer.status_code == status and why in answer.text and "amana=" not in answer.headers.get("set-cookie", "")


def test_who_comes_first_gets_an_account_without_a_password_and_goes_where_they_wanted(
    browser: TestClient, house: House
) -> None:
    answer = signed_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview")
    assert browser.get("/overview").status_code == 200
    assert house.access.list() == (Account(username="noura", roles=("analyst",)),)
    assert house.access.sign_in("noura", "", NOW_MS) is None


def test_who_comes_again_is_found_by_subject_whatever_the_name_and_has_the_roles_of_today(
    browser: TestClient, foreign: Foreign, house: House
) -> None:
    signed_in(browser)
    foreign.claims = {"preferred_username": "noura.otaibi", "roles": ["heads", "unknown"]}
    assert signed_in(browser).status_code == 303
    assert house.access.list() == (Account(username="noura", roles=("auditor", "lead")),)


def test_who_has_lost_every_role_is_refused_and_signed_out_everywhere(
    browser: TestClient, foreign: Foreign, house: House
) -> None:
    signed_in(browser)
    kept = browser.cookies["amana"]
    foreign.claims = {"roles": []}
    assert refused(signed_in(browser), NO_PLACE)
    assert house.access.resume(kept, NOW_MS) is None


@pytest.mark.parametrize("roles", [["unknown"], [], None, {"fraud": True}, "heads-not", [["fraud"]]])
def test_nobody_gets_an_account_without_a_role_here(
    browser: TestClient, foreign: Foreign, house: House, roles: object
) -> None:
    foreign.claims = {"roles": roles}
    assert refused(signed_in(browser), NO_PLACE)
    assert house.access.list() == ()


def test_a_name_that_is_taken_opens_nobodys_account(browser: TestClient, foreign: Foreign, house: House) -> None:
    mine = Account(username="noura", roles=("administrator",), password=PASSWORD)
    house.access.add(mine, "cli:root", NOW_MS)
    assert refused(signed_in(browser), NO_PLACE)
    assert house.access.list() == (mine,)


def test_a_disabled_account_stays_so(browser: TestClient, house: House) -> None:
    signed_in(browser)
    house.access.change("noura", "cli:root", NOW_MS, disabled=True)
    assert refused(signed_in(browser), NO_PLACE)


def test_a_token_that_does_not_prove_who_somebody_is_lets_nobody_in(
    browser: TestClient, foreign: Foreign, house: House
) -> None:
    foreign.claims = {"aud": "another-client"}
    assert refused(signed_in(browser))
    foreign.claims, foreign.sign = {}, lambda _: "no.token.atall"
    assert refused(signed_in(browser))
    assert house.access.list() == ()


def test_a_new_key_of_the_providers_is_asked_for_but_not_again_and_again(
    browser: TestClient, foreign: Foreign, clock: Clock
) -> None:
    signed_in(browser)
    foreign.key = ECKey.generate_key("P-256", {"kid": "two"})
    foreign.keys.append(foreign.key)
    assert refused(signed_in(browser))
    assert foreign.asked.count("keys") == 1
    clock.now_s += PAUSE_S
    assert signed_in(browser).status_code == 303
    assert foreign.asked.count("keys") == 2


def test_a_code_and_a_state_count_once(browser: TestClient, foreign: Foreign) -> None:
    address = sent(browser)
    held = browser.cookies["amana-try"]
    assert back(browser, address).status_code == 303
    assert refused(back(browser, address))  # without the cookie, which went with the first answer
    browser.cookies["amana-try"] = held
    asked = foreign.asked.count("token")
    assert refused(back(browser, address))  # with it, but the provider knows the code no more
    assert foreign.asked.count("token") == asked + 1


def test_a_token_that_a_provider_gives_twice_counts_once(browser: TestClient, foreign: Foreign) -> None:
    address = sent(browser)
    held, asked = browser.cookies["amana-try"], dict(foreign.codes)
    assert back(browser, address).status_code == 303
    browser.cookies["amana-try"] = held
    foreign.codes.update(asked)  # it forgets that the code was used
    assert refused(back(browser, address))


def test_the_answer_to_another_browsers_try_signs_nobody_in(browser: TestClient, house: House) -> None:
    address = sent(browser)
    with TestClient(console(house), follow_redirects=False) as other:
        assert refused(back(other, address))
        sent(other)
        assert refused(back(other, address))
        state = Try(other.cookies.get("amana-try", "none").partition(".")[0]).state
        assert refused(back(other, address, state=state))


def test_a_code_of_another_browsers_try_fits_no_verifier_of_ours(browser: TestClient, foreign: Foreign) -> None:
    theirs = parse_qs(urlsplit(sent(browser)).query)["code"][0]
    assert refused(back(browser, sent(browser), code=theirs))
    assert "token" in foreign.asked


@pytest.mark.parametrize("changed", [{"state": ""}, {"state": "é"}, {"code": ""}, {"code": "x" * 5000},
                                     {"error": "access_denied"}])  # fmt: skip
def test_odd_answers_are_not_taken_to_the_provider(
    browser: TestClient, foreign: Foreign, changed: dict[str, str]
) -> None:
    assert refused(back(browser, sent(browser), **changed))
    assert "token" not in foreign.asked


def test_an_answer_that_says_it_is_another_providers_is_a_mix_up(browser: TestClient, foreign: Foreign) -> None:
    assert refused(back(browser, sent(browser), iss="https://elsewhere.example"))
    assert "token" not in foreign.asked
    assert back(browser, sent(browser), iss=foreign.url).status_code == 303


def test_a_provider_that_names_itself_in_its_answers_must(browser: TestClient, foreign: Foreign) -> None:
    foreign.document = {"authorization_response_iss_parameter_supported": True}
    assert refused(back(browser, sent(browser)))
    assert back(browser, sent(browser), iss=foreign.url).status_code == 303


@pytest.mark.parametrize("then", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "javascript:1"])
def test_nobody_is_led_to_another_host(browser: TestClient, then: str) -> None:
    assert back(browser, sent(browser, then)).headers["location"] == "/queue"
    address = sent(browser)
    word = browser.cookies["amana-try"].partition(".")[0]
    browser.cookies.clear()
    browser.cookies["amana-try"] = f"{word}.{quote(then, safe='')}"
    assert back(browser, address).headers["location"] == "/queue"


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint": None},
        {"filler": "x" * 300_000},
    ],
)
def test_a_document_that_is_not_as_it_must_be_is_not_worked_with(
    browser: TestClient, foreign: Foreign, document: dict[str, Any]
) -> None:
    foreign.document = document
    answer = browser.get("/sign-in/openid")
    assert refused(answer, "does not answer", 503)
    assert "location" not in answer.headers


def test_a_provider_that_is_down_is_a_clear_page_and_is_asked_again_after_a_pause(
    browser: TestClient, foreign: Foreign, provider: Provider, clock: Clock
) -> None:
    right, foreign.document = foreign.document, {"issuer": "https://elsewhere.example"}
    for _ in range(3):
        assert refused(browser.get("/sign-in/openid"), "does not answer", 503)
    assert foreign.asked == ["document"]
    foreign.document, clock.now_s = right, PAUSE_S
    assert signed_in(browser).status_code == 303


def test_a_client_shows_its_secret_as_the_provider_takes_it(browser: TestClient, foreign: Foreign) -> None:
    foreign.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert signed_in(browser).status_code == 303


def test_a_public_client_has_its_verifier_alone(house: House, foreign: Foreign, provider: Provider) -> None:
    foreign.document = {"token_endpoint_auth_methods_supported": ["none"]}
    with client() as http:
        public = house._replace(provider=Provider(provider.settings, None, http, Clock()))
        with TestClient(console(public), follow_redirects=False) as browser:
            assert signed_in(browser).status_code == 303


def test_nobody_listens_where_the_provider_was(house: House) -> None:
    with client() as http:
        gone = OpenID(issuer="http://127.0.0.1:9", client_id=CLIENT, console=CONSOLE, loopback=True,
                      roles={"fraud": ("analyst",)})  # fmt: skip
        house = house._replace(provider=Provider(gone, None, http, Clock()))
        with TestClient(console(house), follow_redirects=False) as browser:
            assert refused(browser.get("/sign-in/openid?next=/queue"), "does not answer", 503)
            assert browser.get("/sign-in").status_code == 200


def test_a_token_endpoint_that_fails_is_a_clear_page(browser: TestClient, foreign: Foreign) -> None:
    foreign.token_status = 502
    assert refused(signed_in(browser), "does not answer", 503)


def test_who_signs_out_is_shown_the_way_out_of_the_provider_too(browser: TestClient, foreign: Foreign) -> None:
    signed_in(browser)
    mark = browser.get("/queue").text.partition('name="csrf" value="')[2][:64]
    answer = browser.post("/sign-out", data={"csrf": mark})
    assert answer.headers["location"] == "/sign-in?out=1"
    page = browser.get("/sign-in?out=1").text
    assert f'href="{foreign.url}/bye?client_id=amana-console&amp;post_logout_redirect_uri=' in page
    assert browser.get("/queue").status_code == 303


def test_without_a_provider_there_is_no_way_to_one(house: House) -> None:
    with TestClient(console(house._replace(provider=None)), follow_redirects=False) as browser:
        assert "organisation" not in browser.get("/sign-in?out=1").text
        assert [browser.get(f"/sign-in/openid{end}").status_code for end in ("", "/back")] == [404, 404]


def test_the_audit_trail_and_the_database_hold_no_token_and_no_word_of_a_try(browser: TestClient, house: House) -> None:
    address = sent(browser)
    word = browser.cookies["amana-try"].partition(".")[0]
    back(browser, address)
    with house.engine.connect() as connection:
        rows = [str(row) for table in tables.metadata.sorted_tables for row in connection.execute(sa.select(table))]
    one = Try(word)
    assert not [row for row in rows for part in (word, one.nonce, one.state, one.verifier) if part in row]
    assert any("signed_in" in row for row in rows)
    assert any("account.added" in row for row in rows)
