"""docs/features.md, generated: every feature of the default set, from its definition.

`python -m features.docs` writes it; `python -m features.docs --check` fails if it is not current.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from features.definitions import DEFINITIONS, WINDOWS, Definitions

PAGE = Path(__file__).parent.parent / "docs" / "features.md"


def describe(definitions: Definitions) -> Iterator[tuple[str, str]]:
    """(name, what it says) of each feature, in the vector's order."""
    return ((feature.name, feature.text) for feature in definitions.features)


def page(definitions: Definitions) -> str:
    """The whole page, Markdown."""
    windows = ", ".join(f"{w.name} (begins at a multiple of {w.hop_s // 60} min)" for w in WINDOWS.values())
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in describe(definitions))
    return f"""# Features

Generated from `features/definitions.py` by `python -m features.docs`; do not edit.

{len(definitions.names)} numbers an order, in this order. Definitions `{definitions.hash}`, rates
`{definitions.rates.version}`.
A number about an entity is absent (NaN) when the order does not name that entity; zero means that nothing was seen.
Windows: {windows}; [features-semantics.md](features-semantics.md) says exactly what they hold.

| feature | what it says |
|---|---|
{rows}
"""


def main(arguments: list[str]) -> int:
    text = page(DEFINITIONS)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not current:
        sys.stderr.write("docs/features.md is not current: run `python -m features.docs`\n")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
