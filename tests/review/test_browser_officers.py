"""In a real browser: a request of the law by three people, an erasure, and what axe-core says of their pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from review.access.roles import Role
from review.console.house import House
from tests.review.browsing import chromium, served, sign_in, violations

PEOPLE: dict[str, tuple[Role, ...]] = dict.fromkeys(("noura", "saud", "layla"), ("privacy_officer",))
PAGES = ("/requests", "/requests/LE-2026-0042", "/cases/topic:0:0/erase")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, House]]:
    with served(tmp_path, 2, PEOPLE) as site:
        yield site


def arrived(browser: Browser, url: str, name: str, scheme: str = "light") -> Page:
    page = browser.new_context(color_scheme=scheme).new_page()  # type: ignore[arg-type]
    sign_in(page, url, name)
    return page


def entered(page: Page, url: str) -> None:
    page.goto(f"{url}/requests?case=ord-0")
    page.fill("[name=reference]", "LE-2026-0042")
    page.fill("[name=basis]", "Anti-Cyber Crime Law, article 6")
    page.check("[name='field.name']")
    page.click("section.card form button.primary")
    page.wait_for_url("**/requests/LE-2026-0042")


def test_three_officers_have_a_request_answered(site: tuple[str, House], browser: Browser) -> None:
    url, _ = site
    noura = arrived(browser, url, "noura")
    entered(noura, url)
    assert noura.locator("form[action$='/approve']").count() == 0
    for name in ("saud", "layla"):
        officer = arrived(browser, url, name)
        officer.goto(f"{url}/requests/LE-2026-0042")
        officer.click("form[action$='/approve'] button")
        officer.wait_for_selector("form[action$='/approve']", state="detached")
        officer.context.close()
    noura.reload()
    noura.click("form[action$='/answer'] button")
    noura.wait_for_selector("text=cannot be taken back")
    assert violations(noura) == []
    noura.click("form[action$='/answer'] button")
    noura.wait_for_selector("text=Nothing more.")
    noura.context.close()


def test_an_officer_erases_a_customer_and_the_case_stays(site: tuple[str, House], browser: Browser) -> None:
    url, house = site
    page = arrived(browser, url, "noura")
    page.goto(f"{url}/cases/topic:0:0")
    page.click("a[href$='/erase']")
    page.fill("[name=order]", "ord-0")
    page.click("section.card form button.bad")
    page.wait_for_url("**/cases/topic:0:0")
    assert house.cases.get("topic:0:0").withheld == "erased"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "ar"])
def test_the_officers_pages_are_accessible_and_fit_a_phone(
    site: tuple[str, House], browser: Browser, scheme: str, locale: str
) -> None:
    url, house = site
    page = arrived(browser, url, "noura", scheme)
    entered(page, url)
    house.access.change("noura", "noura", house.clock(), language=locale)
    for path in PAGES:
        page.goto(url + path)
        assert page.get_attribute("html", "dir") == ("rtl" if locale == "ar" else "ltr")
        assert violations(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.set_viewport_size({"width": 1280, "height": 720})
    page.context.close()
