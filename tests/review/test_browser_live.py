"""What a page does without a reload: a claim that ends or is kept, and counts that follow the queue."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from review.console.house import House
from review.opener import Vault, open_case
from review.workflow import LEASE_MS
from tests.review.browsing import Clock, served, sign_in
from tests.review.examples import NOW_MS, decision
from tests.review.test_console import order

MINUTE_MS = 60_000
CASE = "topic:0:0"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[tuple[str, House]]:
    with served(tmp_path, 3, {"noura": ("analyst",)}, clock) as site:
        yield site


def passes(page: Page, clock: Clock, by_ms: int) -> None:
    """The same time, in the browser and on the server."""
    clock.now_ms += by_ms
    page.clock.fast_forward(by_ms)


def claimed(page: Page, url: str) -> None:
    page.clock.install(time=NOW_MS / 1000)
    sign_in(page, url, "noura")
    page.goto(f"{url}/cases/{CASE}")
    page.click("[data-key=c]")
    page.wait_for_selector("[data-until]")


def test_a_claim_counts_down_warns_before_it_ends_and_says_that_it_has(
    site: tuple[str, House], page: Page, clock: Clock
) -> None:
    url, house = site
    claimed(page, url)
    lease, warning, ended = (page.locator(f"[data-{name}]") for name in ("until", "warning", "ended"))
    passes(page, clock, 6 * MINUTE_MS)
    expect(lease).to_contain_text(re.compile(r"\((4:00|3:\d\d)\)"))
    expect(warning).to_be_hidden()
    passes(page, clock, 2 * MINUTE_MS + 1000)
    expect(warning).to_be_visible()
    expect(lease).to_contain_text(re.compile(r"\(1:\d\d\)"))
    passes(page, clock, 2 * MINUTE_MS)
    expect(ended).to_be_visible()
    expect(warning).to_be_hidden()
    page.reload()
    assert "The claim of noura ended at" in page.inner_text("main")
    house.desk.tick(clock())
    page.reload()
    expect(page.locator("[data-key=c]")).to_be_visible()


def test_while_somebody_works_the_claim_is_kept_and_the_page_can_still_decide(
    site: tuple[str, House], page: Page, clock: Clock
) -> None:
    url, house = site
    claimed(page, url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    passes(page, clock, 6 * MINUTE_MS)
    assert asked == [], "nobody moved"
    page.mouse.move(20, 20)
    page.mouse.move(40, 40)
    passes(page, clock, 2_000)
    expect(page.locator("[data-until]")).to_have_attribute("data-until", str(clock() + LEASE_MS))
    assert house.cases.get(CASE).until_ms == clock() + LEASE_MS
    assert asked == [f"{url}/cases/{CASE}/renew", f"{url}/cases/{CASE}"]
    page.fill("#work [name=reason]", "known customer")
    page.click("[data-key=a]")
    page.wait_for_url("**done=**")
    assert house.cases.get(CASE).verdict == "dismiss"


def test_the_queues_counts_follow_without_a_reload(site: tuple[str, House], page: Page, clock: Clock) -> None:
    url, house = site
    page.clock.install(time=NOW_MS / 1000)
    sign_in(page, url, "noura")
    count, mine, notice = (page.locator(each) for each in ("[data-count=open]", "[data-count=mine]", "[data-live]"))
    expect(count).to_have_text("3")
    expect(notice).to_be_hidden()
    clock.now_ms += 5_000
    held = Vault(house.envelopes, house.blind)
    house.cases.take_in_all(
        open_case(decision(n, order_id=f"ord-{n}"), order(f"ord-{n}"), held, clock()) for n in (8, 9)
    )
    house.desk.act(house.cases.get(CASE), "claim", "noura", clock())
    passes(page, clock, 15_000)
    expect(notice).to_have_text("2 new cases")
    expect(count).to_have_text("4")
    expect(mine).to_have_text("1")
