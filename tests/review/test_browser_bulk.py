"""A lead's many cases at once, in the browser: by keyboard and with scripts off; undone, nothing has left the house."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from review import tables
from review.access.accounts import Language
from review.console.house import House
from tests.review.browsing import served, sign_in, violations

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, House]]:
    with served(tmp_path, 6, {"layla": ("lead",)}) as site:
        yield site


def waiting(house: House) -> tuple[int, list[str]]:
    """How much the outbox holds, and which triggers there are."""
    with house.engine.connect() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(tables.outbox)).scalar_one()
        return rows, sorted(set(connection.scalars(sa.select(tables.triggers.c.kind))))


def test_rows_are_ticked_decided_and_taken_back_by_keyboard_alone(site: tuple[str, House], page: Page) -> None:
    url, house = site
    sign_in(page, url, "layla")
    for key in ("j", "x", "j", "j", "x", "a"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.type("known customers")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.wait_for_url("**/bulk?done=**")
    assert "2 cases are decided." in page.inner_text("main")
    assert {case.order_id for case in house.cases.list("decided", limit=9)} == {"ord-0", "ord-2"}
    assert waiting(house) == (4, ["cleared", "flagged"])
    page.keyboard.press("u")
    page.wait_for_url("**/bulk?undone=**")
    assert "2 verdicts were taken back" in page.inner_text("main")
    assert waiting(house) == (0, ["flagged"])
    assert len(house.cases.list("open", limit=9)) == 6


def test_the_whole_page_is_ticked_at_once(site: tuple[str, House], page: Page) -> None:
    url, _ = site
    sign_in(page, url, "layla")
    page.keyboard.press("X")
    assert page.locator("table.queue :checked").count() == 6
    page.locator("table.queue :checked").nth(2).uncheck()
    assert not page.is_checked("[name=all]")


def test_enter_on_a_tick_and_a_key_held_down_take_no_case(site: tuple[str, House], page: Page) -> None:
    url, house = site
    sign_in(page, url, "layla")
    page.locator("table.queue [type=checkbox]").nth(0).focus()
    page.keyboard.press("Enter")
    page.evaluate("document.activeElement.blur()")
    held = "new KeyboardEvent('keydown', {key: 'Enter', code: 'Enter', bubbles: true, cancelable: true, repeat: true})"
    assert page.evaluate(f"document.body.dispatchEvent({held})") is False
    page.reload()
    assert page.url == f"{url}/queue"
    assert house.cases.list("claimed", limit=9) == ()
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/**")
    assert len(house.cases.list("claimed", limit=9)) == 1


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ar", "dark")])
def test_with_scripts_off_it_is_the_same_and_accessible(
    site: tuple[str, House], browser: Browser, language: Language, scheme: str
) -> None:
    url, house = site
    house.access.change("layla", "layla", house.clock(), language=language)
    silent = browser.new_context(java_script_enabled=False)
    page = silent.new_page()
    sign_in(page, url, "layla")
    page.check("[name=all]")
    page.fill("[name=reason]", "a ring of stolen cards")
    page.locator("table.queue [type=checkbox]").nth(0).press("Enter")
    assert house.cases.list("decided", limit=9) == (), "Enter on a tick is no verdict"
    page.click("[value=confirm_fraud]")
    page.wait_for_url("**/bulk?done=**")
    assert len(house.cases.list("decided", limit=9)) == 6
    page.click("[data-key=u]")
    page.wait_for_url("**/bulk?undone=**")
    assert waiting(house) == (0, ["flagged"])
    silent.close()
    seen = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = seen.new_page()
    sign_in(page, url, "layla")
    assert violations(page) == []
    page.goto(f"{url}/cases/topic:0:0")
    page.click("[name=put] >> nth=0")
    page.select_option("[name=to]", "layla")
    page.click("[formaction$='/assign']")
    page.wait_for_selector("[name=kept]")
    assert house.cases.get("topic:0:0").assignee == "layla"
    assert violations(page) == []
    page.goto(f"{url}/queue")
    page.check("[name=all]")
    page.fill("[name=reason]", "a ring of stolen cards")
    for press in ("[value=confirm_fraud]", "[data-key=u]"):
        page.click(press)
        page.wait_for_selector(".found")
        assert violations(page) == []
    seen.close()
