from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from review.console.house import House
from tests.review.browsing import served, sign_in, take_in_two_of_one_card, violations
from tests.sharing.orders import ORDER

PATHS = (
    "/queue",
    "/queue?view=decided",
    "/search",
    "/overview",
    "/audit",
    "/cases/topic:0:0",
    "/cases/topic:0:1",
)
EMAIL = str(ORDER.contact.email)
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, House]]:
    with served(tmp_path, 12, {"noura": ("analyst", "auditor"), "salem": ("analyst",)}) as site:
        yield site


def test_an_analyst_clears_ten_cases_by_keyboard_alone(site: tuple[str, House], page: Page) -> None:
    url, house = site
    sign_in(page, url, "noura")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-key=c]")
    page.keyboard.press("c")
    for number in range(10):
        page.wait_for_selector("#work")
        here = page.url
        key = "af"[number % 2]
        page.keyboard.press(key)
        page.keyboard.type("known customer")
        page.keyboard.press("Escape")
        page.keyboard.press(key)
        page.wait_for_url(partial(str.__ne__, here))
    decided = house.cases.list("decided", limit=20)
    assert sorted(str(case.verdict) for case in decided) == ["confirm_fraud"] * 5 + ["dismiss"] * 5
    assert len(house.cases.list("open", limit=20)) == 1
    assert len(house.cases.list("claimed", limit=20)) == 1


def test_of_two_analysts_on_one_case_the_second_is_told(site: tuple[str, House], browser: Browser) -> None:
    url, house = site
    pages = [browser.new_context().new_page() for _ in range(2)]
    for page, name in zip(pages, ("noura", "salem"), strict=True):
        sign_in(page, url, name)
        page.goto(f"{url}/cases/topic:0:0")
    pages[0].click("[data-key=c]")
    pages[1].click("[data-key=c]")
    assert "Somebody else changed this case" in pages[1].inner_text("main")
    assert house.cases.get("topic:0:0").holder == "noura"
    for page in pages:
        page.context.close()


def test_a_case_is_decided_with_scripts_off(site: tuple[str, House], browser: Browser) -> None:
    url, house = site
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, url, "noura")
    page.click("form[action='/queue/next'] button")
    page.fill("textarea[name=reason]", "known customer")
    page.click("#work [formaction$='/dismiss']")
    page.wait_for_url("**done=**")
    assert len(house.cases.list("decided", limit=20)) == 1
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "ar"])
def test_every_page_is_accessible_and_asks_nothing_of_others(
    site: tuple[str, House], browser: Browser, scheme: str, locale: str
) -> None:
    url, house = site
    house.access.change("noura", "noura", house.clock(), language=locale)
    context = browser.new_context(color_scheme=scheme, locale=locale)  # type: ignore[arg-type]
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{url}/sign-in")
    assert violations(page) == []
    sign_in(page, url, "noura")
    house.desk.act(house.cases.get("topic:0:0"), "claim", "noura", house.clock())
    lead, member = take_in_two_of_one_card(house)
    for path in (*PATHS, f"/cases/{lead}", f"/cases/{member}"):
        page.goto(url + path)
        assert page.get_attribute("html", "dir") == ("rtl" if locale == "ar" else "ltr")
        assert violations(page) == []
    assert [address for address in asked if not address.startswith(url)] == []
    assert said == []
    context.close()


def test_no_page_is_wider_than_a_phone(site: tuple[str, House], browser: Browser) -> None:
    url, _ = site
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    sign_in(page, url, "noura")
    for path in ("/queue", "/cases/topic:0:0"):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_a_value_is_revealed_for_a_reason_on_one_page_and_that_stays_in_the_trail(
    site: tuple[str, House], page: Page
) -> None:
    url, _ = site
    sign_in(page, url, "noura")
    page.goto(f"{url}/cases/topic:0:0")
    assert EMAIL not in page.inner_text("main")
    page.click("text=See a value in clear")
    page.select_option("[name=field]", "email")
    page.click("text=Show")
    page.wait_for_url("**/reveal")
    assert EMAIL not in page.inner_text("main"), "not without a reason"
    page.goto(f"{url}/cases/topic:0:0")
    page.click("text=See a value in clear")
    page.select_option("[name=field]", "email")
    page.fill(".reveal [name=why]", "to call back")
    page.click("text=Show")
    page.wait_for_url("**/reveal")
    assert EMAIL in page.inner_text("main")
    assert violations(page) == []
    page.goto(f"{url}/cases/topic:0:0")
    assert EMAIL not in page.content()
    assert "email: to call back" in page.inner_text("main")
    page.goto(f"{url}/audit")
    assert EMAIL not in page.content()
    trail = [page.locator("tbody tr").nth(n).inner_text().split() for n in range(2)]
    assert [row[-4:] for row in trail] == [
        ["noura", "note", "topic:0:0", "notes"],
        ["noura", "reveal", "topic:0:0", "email"],
    ]


def test_half_written_words_survive_another_button_with_scripts_off(site: tuple[str, House], browser: Browser) -> None:
    url, house = site
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, url, "noura")
    page.click("form[action='/queue/next'] button")
    page.fill("[name=reason]", "the card was")
    page.fill("[name=body]", "called twice")
    page.click("button[value=reseller]")
    page.wait_for_url("**/tag")
    assert (page.input_value("[name=reason]"), page.input_value("[name=body]")) == ("the card was", "called twice")
    page.click("#work [formaction$='/dismiss']")
    page.wait_for_url("**/dismiss")
    assert "This would lose what you have written" in page.inner_text("main")
    page.click("button[formaction$='/notes']")
    page.wait_for_url("**/notes")
    page.fill("[name=reason]", page.input_value("[name=reason]") + " tested")
    page.click("#work [formaction$='/confirm_fraud']")
    page.wait_for_url("**done=**")
    (decided,) = house.cases.list("decided", limit=20)
    assert [house.opened(decided, "note", note.body) for note in house.desk.notes(decided)] == ["called twice"]
    assert house.opened(decided, "reason", decided.reason or b"") == "the card was tested"
    page.context.close()


def test_a_person_switches_to_arabic_and_keeps_it(site: tuple[str, House], browser: Browser) -> None:
    url, house = site
    for then in ("العربية", None):
        context = browser.new_context(locale="en")
        page = context.new_page()
        sign_in(page, url, "noura")
        if then:
            page.click(f"text={then}")
            page.wait_for_selector("html[dir=rtl]")
        assert page.get_attribute("html", "lang") == "ar"
        assert page.inner_text("h1") == "قائمة الانتظار"
        assert page.locator("bdi", has_text="ord-0").count() == 1
        context.close()
    assert house.access.get("noura").language == "ar"
