"""`make screenshots`: queue, case and overview, in both languages, light and dark, on a desk and on a phone.

All go into var/screenshots; the few that documents show go into docs/screenshots as well. A word chooses pictures by
their names: `make screenshots ARGS=queue-ar`.
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from playwright.sync_api import Browser

from review.access.accounts import Language
from review.console.house import House
from tests.review.browsing import chromium, served, sign_in
from tests.review.examples import NOW_MS
from tests.review.made import filled
from tests.review.png import palette

DOCS = Path("docs/screenshots")
CASES = 160
SIZES = {1440: 900, 390: 844}
PAGES = ("queue", "case", "overview")
Scheme = Literal["light", "dark"]
SHOWN = {
    *("queue-en-light-1440", "case-en-light-1440", "overview-en-dark-1440"),
    *("queue-ar-light-1440", "case-ar-dark-390", "queue-en-dark-390"),
}


class Picture(NamedTuple):
    page: str
    language: Language
    scheme: Scheme
    width: int

    @property
    def name(self) -> str:
        return f"{self.page}-{self.language}-{self.scheme}-{self.width}"


def pictures() -> Iterator[Picture]:
    languages: tuple[Language, ...] = ("en", "ar")
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for page, language, scheme, width in product(PAGES, languages, schemes, SIZES):
        yield Picture(page, language, scheme, width)


def taken(browser: Browser, url: str, house: House, picture: Picture, address: str) -> bytes:
    """Of what fits on the screen, as a palette PNG."""
    house.access.change("noura", "noura", NOW_MS, language=picture.language)
    size = {"width": picture.width, "height": SIZES[picture.width]}
    context = browser.new_context(viewport=size, color_scheme=picture.scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.clock.set_fixed_time(NOW_MS)
    sign_in(page, url, "noura")
    page.goto(url + address)
    page.mouse.move(1, 1)
    shot = page.screenshot()
    assert page.evaluate("document.documentElement.scrollWidth") <= picture.width, picture.name
    context.close()
    return palette(browser, shot)


def main(folder: Path, wanted: str) -> None:
    """All pictures whose names hold that."""
    folder.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch, served(Path(scratch), 0, {"noura": ("analyst", "auditor")}) as (url, house):
        filled(house, CASES, NOW_MS)
        mine = house.desk.next("noura", NOW_MS)
        assert mine is not None
        addresses = {"queue": "/queue", "case": f"/cases/{mine.decision_id}", "overview": "/overview"}
        with chromium() as browser:
            for picture in (each for each in pictures() if wanted in each.name):
                file = f"{picture.name}.png"
                image = taken(browser, url, house, picture, addresses[picture.page])
                for where in (folder, DOCS) if picture.name in SHOWN else (folder,):
                    (where / file).write_bytes(image)
                sys.stdout.write(f"{folder / file}: {len(image) / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(Path("var/screenshots"), sys.argv[1] if sys.argv[1:] else "")
