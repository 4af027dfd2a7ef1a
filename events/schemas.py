"""JSON Schemas of all events and facts, for those who publish and read them without this code.

`python -m events.schemas` writes them to events/schemas/; `--check` says which of the committed ones are out of date.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from events import topics
from events.facts import AnyFact
from events.questions import InformationAsked

FOLDER = Path(__file__).parent / "schemas"
# What msgspec's patterns say beyond ECMA 262, the dialect of JSON Schema: there `$` is only the very end.
_PYTHON_END = r"$(?!\n)"


def schemas() -> dict[str, str]:
    """File name to text of each topic's schema (JSON Schema 2020-12)."""
    unions: Mapping[str, object] = {**topics.UNIONS, topics.FACTS: AnyFact, topics.QUESTIONS: InformationAsked}
    return {f"{topic}.json": _text(topic, union) for topic, union in unions.items()}


def stale(folder: Path) -> list[str]:
    """The files in the folder that are missing, out of date, or of no topic."""
    wanted = schemas()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _text(topic: str, union: object) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Records of {topic}"}
    return json.dumps(head | portable(msgspec.json.schema(union)), indent=2, ensure_ascii=False) + "\n"


def portable(node: Any) -> Any:
    """A schema with its patterns in ECMA 262, which JSON Schema wants."""
    if isinstance(node, dict):
        return {key: portable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [portable(value) for value in node]
    return node.replace(_PYTHON_END, "$") if isinstance(node, str) else node


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m events.schemas", description="Write all events' JSON Schemas.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a schema is out of date")
    if not parser.parse_args().check:
        write(FOLDER)
        return 0
    for name in (names := stale(FOLDER)):
        sys.stderr.write(f"{FOLDER / name} is out of date: run python -m events.schemas\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
