"""Keys as people press them: on a Latin and on an Arabic layout, on the queue and on a case."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from review.console.house import House
from tests.review.browsing import served, sign_in, violations

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop

# What an Arabic (101) layout has at the place of a Latin one's key.
ARABIC = {"j": "ت", "k": "ن", "a": "ش", "c": "ؤ", "n": "ى", "x": "ء", "/": "ظ", "?": "؟"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, House]]:
    with served(tmp_path, 4, {"noura": ("analyst",), "layla": ("lead",)}) as site:
        yield site


def press(page: Page, latin: str, layout: str) -> None:
    """A real key event of the layout: the character is the layout's, the code is the place's."""
    if layout == "latin":
        page.keyboard.press(latin)
        return
    place = "Slash" if latin in "/?" else f"Key{latin.upper()}"
    session = page.context.new_cdp_session(page)
    event = {"key": ARABIC[latin], "code": place, "modifiers": 8 if latin == "?" else 0}
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": ARABIC[latin], **event})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
    session.detach()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent"))


@pytest.mark.parametrize("layout", ["latin", "arabic"])
def test_rows_are_walked_and_a_case_is_approved_by_keys_of_both_layouts(
    site: tuple[str, House], page: Page, layout: str
) -> None:
    url, house = site
    sign_in(page, url, "noura")
    orders = page.locator("table.queue td.order a").all_inner_texts()
    walked = []
    for key in "jjk":
        press(page, key, layout)
        walked.append(focused(page))
    assert walked == [orders[0], orders[1], orders[0]]
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-key=c]")
    case_id = page.url.rpartition("/")[2]
    press(page, "c", layout)
    page.wait_for_selector("#work")
    press(page, "n", layout)
    assert page.evaluate("document.activeElement.name") == "body"
    page.keyboard.press("Escape")
    press(page, "a", layout)
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.type("known customer")
    page.keyboard.press("Escape")
    press(page, "a", layout)
    page.wait_for_url("**done=**")
    assert house.cases.get(case_id).verdict == "dismiss"


@pytest.mark.parametrize("layout", ["latin", "arabic"])
def test_the_slash_leads_to_the_search_from_queue_and_case(site: tuple[str, House], page: Page, layout: str) -> None:
    url, _ = site
    sign_in(page, url, "noura")
    for path in ("/queue", "/cases/topic:0:0"):
        page.goto(url + path)
        press(page, "/", layout)
        page.wait_for_url("**/search")
        assert page.evaluate("document.activeElement.name") == "value"


@pytest.mark.parametrize("layout", ["latin", "arabic"])
def test_the_question_mark_shows_the_keys_and_escape_hides_them(
    site: tuple[str, House], page: Page, layout: str
) -> None:
    url, _ = site
    sign_in(page, url, "noura")
    for path in ("/queue", "/cases/topic:0:0"):
        page.goto(url + path)
        shown = page.locator("#keys")
        assert not shown.is_visible()
        press(page, "?", layout)
        assert shown.is_visible()
        assert page.evaluate("document.activeElement.id") == "keys"
        assert shown.locator("kbd").all_inner_texts() == [*"jk", "Enter", *"/?cafeisnmru", "Esc"]
        assert violations(page) == []
        page.keyboard.press("Escape")
        assert not shown.is_visible()


def test_a_lead_ticks_rows_on_an_arabic_layout(site: tuple[str, House], page: Page) -> None:
    url, _ = site
    sign_in(page, url, "layla")
    press(page, "j", "arabic")
    press(page, "x", "arabic")
    assert [box.is_checked() for box in page.locator("table.queue [type=checkbox]").all()] == [
        True,
        False,
        False,
        False,
    ]


def test_with_scripts_off_a_button_shows_the_keys(site: tuple[str, House], page: Page) -> None:
    url, _ = site
    context = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    plain = context.new_page()
    sign_in(plain, url, "noura")
    plain.click("[data-key='?']")
    assert plain.locator("#keys").is_visible()
    context.close()
