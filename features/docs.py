"""docs/features.md, generated: every feature of the default set, from its definition.

`python -m features.docs` writes it; `python -m features.docs --check` fails if it is not current.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from features.declared import Definitions, Feature
from features.definitions import DEFINITIONS, FAMILIES, Family
from features.numbers import DISTINCT, SUMMED, Age, Direct, Distinct, Earliest, First, Since, Windowed

PAGE = Path(__file__).parent.parent / "docs" / "features.md"


def describe(definitions: Definitions) -> Iterator[tuple[str, str]]:
    """(name, what it says) of each feature, in the vector's order."""
    return ((feature.name, feature.text) for feature in definitions.features)


def cost(feature: Feature) -> str:
    """What an entity's state holds for it; features of one column or roll share it."""
    if isinstance(feature, Distinct | First):
        return f"a roll of {feature.member}: up to {DISTINCT} x 14 B"
    if isinstance(feature, Since | Earliest) or (isinstance(feature, Windowed) and feature.aggregate not in SUMMED):
        return "a kept column: 1-5 B a tile"
    if isinstance(feature, Windowed):
        return "a summed column: 1-9 B a tile"
    if isinstance(feature, Age):
        return "nothing: tiles have their second"
    return (
        "nothing: the order's fact"
        if isinstance(feature, Direct)
        else f"nothing: made from {len(feature.inputs)} numbers"
    )


def page(definitions: Definitions, families: Sequence[Family]) -> str:
    """The whole page, Markdown."""
    windows = ", ".join(f"{w.name} (begins at a multiple of {w.hop_s // 60} min)" for w in definitions.windows)
    sections = "\n".join(_section(family) for family in families)
    return f"""# Features

Generated from `features/definitions.py` by `python -m features.docs`; do not edit.

{len(definitions.names)} numbers an order, in this order. Definitions `{definitions.hash}`, rates
`{definitions.rates.version}`.
A number about an entity is absent (NaN) when the order does not name that entity; zero means that nothing was seen.
Windows: {windows}; [features-semantics.md](features-semantics.md) says exactly what they hold.
All serve one purpose, fraud prevention; above each family stands the fraud that it is for.
{sections}"""


def _section(family: Family) -> str:
    rows = "\n".join(f"| `{feature.name}` | {feature.text} | {cost(feature)} |" for feature in family.features)
    return f"""
## {family.name[0].upper()}{family.name[1:]}
{family.fraud}

| feature | what it says | what it stores |
|---|---|---|
{rows}
"""


def main(arguments: list[str]) -> int:
    text = page(DEFINITIONS, FAMILIES)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not current:
        sys.stderr.write("docs/features.md is not current: run `python -m features.docs`\n")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
