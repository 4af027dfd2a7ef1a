"""Brings the catalogues up to date with the texts in pages and code: `make texts`.

A text that is new has no translation yet (a test names it); one that nobody uses any more goes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from review.console.words import FOLDER, LANGUAGES

ROOT = Path(__file__).parent
METHODS = [("**/templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "marked": None, "text": None, "count": (1, 2), "many": (1, 2)}
WHEN = datetime(2026, 1, 1, tzinfo=UTC)  # nothing in a catalogue changes but its texts


def extracted(language: str) -> Catalog:
    """All texts of pages and code, without translations."""
    catalog = Catalog(locale=language, project="amana", creation_date=WHEN, revision_date=WHEN, fuzzy=False)
    for file, _line, message, _comments, _context in _found():
        catalog.add(message, locations=[(f"review/console/{file}", None)])  # type: ignore[list-item]
    return catalog


def _found() -> Iterator[tuple[str, int, str | tuple[str, ...], list[str], str | None]]:
    return extract_from_dir(str(ROOT), METHODS, keywords=KEYWORDS)


def update() -> None:
    for language in LANGUAGES:
        if language == "en":
            continue
        path = FOLDER / language / "LC_MESSAGES" / "console.po"
        catalog = extracted(language)
        if path.is_file():
            with path.open("rb") as file:
                before = read_po(file, locale=language)
            for message in catalog:
                held = before.get(message.id) if message.id else None
                if held is not None:
                    message.string = held.string
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=120, omit_header=False, sort_output=True)


if __name__ == "__main__":
    update()
