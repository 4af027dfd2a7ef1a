"""Nothing that somebody wrote on a case's page is lost by a button that did not ask for it."""

import re
from collections.abc import Iterator
from html import unescape

import httpx2
import pytest
import sqlalchemy as sa

from review.console.house import House
from review.opener import Vault
from tests.review.examples import NOW_MS
from tests.review.officers import CASE, Browser, browser, partnered

PAGE = f"/cases/{CASE}"
HALF = {"reason": "the card was", "body": "called <b>twice</b>", "why": "to call ba"}


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = partnered(engine, vault)
    house.access.change("analyst", "cli:root", NOW_MS, roles=("lead",))
    house.desk.act(house.cases.get(CASE), "claim", "analyst", NOW_MS)
    return house


@pytest.fixture
def analyst(house: House) -> Iterator[Browser]:
    with browser(house, "analyst") as analyst:
        yield analyst


def shown(page: httpx2.Response) -> dict[str, str]:
    """What stands in the page's fields for words."""
    return {
        name: unescape(text)
        for name, text in re.findall(r'<textarea name="(\w+)"[^>]*>\n(.*?)</textarea>', page.text, re.DOTALL)
    }


@pytest.mark.parametrize(
    ("action", "pressed", "sent"),
    [
        ("tag", {"put": "reseller"}, ()),
        ("keep", {"kept": "yes", "version": "2"}, ()),
        ("assign", {"to": "analyst", "version": "2"}, ()),
        ("renew", {"version": "2"}, ()),
        ("notes", {}, ("body",)),
        ("reveal", {"field": "name"}, ("why",)),
        ("ask", {"version": "2"}, ("reason",)),
    ],
)
def test_what_an_action_does_not_keep_stands_on_the_next_page(
    analyst: Browser, action: str, pressed: dict[str, str], sent: tuple[str, ...]
) -> None:
    page = analyst.post(f"{PAGE}/{action}", **HALF, **pressed)
    assert page.status_code == 200
    left = {name: "" if name in sent else text for name, text in HALF.items()}
    assert shown(page) == ({name: text for name, text in left.items() if text or name != "reason"})


def test_without_words_left_an_action_leads_to_the_cases_own_address(analyst: Browser) -> None:
    assert analyst.post(f"{PAGE}/tag", put="reseller", reason=" ", body="").headers["location"] == f"{PAGE}#sorting"
    assert analyst.post(f"{PAGE}/notes", body="called twice", reason="").headers["location"] == f"{PAGE}#notes"


@pytest.mark.parametrize("action", ["dismiss", "confirm_fraud", "escalate", "snooze", "release"])
def test_a_case_is_not_left_while_a_note_is_not_written_down(house: House, analyst: Browser, action: str) -> None:
    refused = analyst.post(f"{PAGE}/{action}", **HALF, version="2")
    assert (refused.status_code, house.cases.get(CASE).status) == (400, "claimed")
    assert "This would lose what you have written" in refused.text
    assert shown(refused) == HALF
    reason = {} if action == "release" else {"reason": HALF["reason"]}
    assert analyst.post(f"{PAGE}/{action}", **reason, version="2").status_code == 303


def test_a_refused_action_says_why_on_the_case_with_all_that_was_written(house: House, analyst: Browser) -> None:
    short = analyst.post(f"{PAGE}/dismiss", reason="no", version="2")
    assert (short.status_code, shown(short)["reason"]) == (400, "no")
    assert "A reason or a note has 3 to 1000 characters" in short.text
    house.desk.act(house.cases.get(CASE), "release", "analyst", NOW_MS)
    stale = analyst.post(f"{PAGE}/dismiss", reason="the card was tested", version="2")
    assert (stale.status_code, house.cases.get(CASE).status) == (409, "open")
    assert "Somebody else changed this case" in stale.text
    assert shown(stale)["reason"] == "the card was tested"
    claimed = analyst.post(f"{PAGE}/claim", reason="the card was tested", version="3")
    assert shown(claimed)["reason"] == "the card was tested"


def test_the_form_of_a_case_has_no_field_in_which_enter_would_press_its_first_button(analyst: Browser) -> None:
    form = analyst.get(PAGE).text.partition('<form id="case"')[2].partition("</form>")[0]
    assert re.findall(r'<input(?! type="hidden")', form) == []
    assert re.findall(r"<button(?![^>]* formaction=)", form) == []


def test_who_reads_alone_has_no_fields(house: House) -> None:
    with browser(house, "auditor") as auditor:
        assert shown(auditor.get(PAGE)) == {}
