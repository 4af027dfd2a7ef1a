import html
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from sharing import docs
from sharing.contracts import FOLDER
from sharing.example import example_body
from sharing.page import escaped, page
from sharing.projection import compile_contract
from tests.sharing.contracts import ACQUIRER, EVERYTHING, NAMES, shipped

CONTRACT = json.loads((docs.ROOT / "sharing" / "schemas" / "contract.json").read_text(encoding="utf-8"))
PARTNERS = docs.ROOT / "docs" / "partners"


def read(name: str) -> Any:
    return json.loads((PARTNERS / name).read_text(encoding="utf-8"))


def as_json(text: str) -> Any:
    """A contract's YAML as the schema sees it: dates are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_committed_pages_and_schemas_are_current() -> None:
    assert docs.stale(docs.ROOT) == [], "run: python -m sharing.docs"


def test_changed_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    docs.write(tmp_path)
    assert docs.stale(tmp_path) == []
    (tmp_path / "docs/partners/carrier.md").write_text("", encoding="utf-8")
    (tmp_path / "docs/partners/stranger.md").write_text("", encoding="utf-8")
    (tmp_path / "sharing/schemas/contract.json").unlink()
    assert docs.stale(tmp_path) == [
        "docs/partners/carrier.md",
        "docs/partners/stranger.md",
        "sharing/schemas/contract.json",
    ]


def test_the_check_is_a_command() -> None:
    assert subprocess.run([sys.executable, "-m", "sharing.docs", "--check"], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_contracts_file_meets_the_published_schema(path: Path) -> None:
    Draft202012Validator.check_schema(CONTRACT)
    Draft202012Validator(CONTRACT).validate(as_json(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("operator: keep", "operator: kep"),
        ("operator: keep", "operator: keep\n    to: day"),
        ("purpose: dpv:Fraud", "purpose: dpv:Marketing # "),
        ("legal_basis: dpv:LegitimateInterest\n", ""),
        ("    reason: Whether the order was blocked is what the acquirer acts on.\n", ""),
        ("retention_days: 180", "retention_days: 0"),
        ("partner: acquirer", "partner: Acquirer Ltd"),
        ("policy_version: 2026-01", "policy_version: 2026-01\npush_url: http://acquirer.example/"),
        ("partner: acquirer", "partner: acquirer\nextra: 1"),
    ],
)
def test_what_is_refused_here_the_schema_refuses(old: str, new: str) -> None:
    assert old in ACQUIRER
    assert not Draft202012Validator(CONTRACT).is_valid(as_json(ACQUIRER.replace(old, new, 1)))


def test_a_contract_with_every_operator_meets_the_schema_too() -> None:
    assert Draft202012Validator(CONTRACT).is_valid(as_json(EVERYTHING))


@pytest.mark.parametrize("name", NAMES)
def test_a_message_meets_its_partners_schema_and_one_with_more_in_it_does_not(name: str) -> None:
    validator = Draft202012Validator(read(f"{name}.schema.json"))
    Draft202012Validator.check_schema(validator.schema)
    told = json.loads(example_body(shipped(name)))
    validator.validate(told)
    assert not validator.is_valid(told | {"email_address": "noura@example.com"})
    first = told["jti"]
    back = json.loads(compile_contract(shipped("carrier"), b"k" * 32).withdrawal("x", first, "withdrawn"))
    validator.validate(back)
    assert not validator.is_valid(back | {"status": "because"})


@pytest.mark.parametrize("name", NAMES)
def test_a_partners_page_has_every_field_its_meaning_its_reason_and_its_example(name: str) -> None:
    contract, page = shipped(name), (PARTNERS / f"{name}.md").read_text(encoding="utf-8")
    for term in contract.fields:
        assert f"| `{term.name}` |" in page
        assert f"| {term.says()}" in page
        assert f"| {term.reason} |" in page
    assert contract.hash() in page
    assert contract.event_uri in page
    assert json.dumps(json.loads(example_body(contract)), indent=2, ensure_ascii=False) in page


HOSTILE = [
    "so that it | is a column of its own",
    "<script>alert(1)</script> and <!-- what is not shown",
    "[the terms](https://evil.example) and <https://evil.example>",
    "![](https://evil.example/pixel.png) &lt; *so* _so_ `so` ~~so~~ \\\\",
]


@pytest.mark.parametrize("reason", HOSTILE)
def test_a_contracts_reason_stands_on_the_page_as_it_was_written(reason: str) -> None:
    carrier = shipped("carrier")
    first = msgspec.structs.replace(carrier.fields[0], reason=reason)
    contract = msgspec.structs.replace(carrier, fields=(first, *carrier.fields[1:]))
    shown = MarkdownIt("commonmark").enable("table").render(page(contract))
    assert f"<td>{html.escape(reason, quote=False)}</td>" in shown.replace("&quot;", '"')


def test_a_contracts_reason_over_several_lines_is_one_and_no_address_in_it_is_a_link() -> None:
    assert escaped("see\n\n# www.evil.example or\thttps://evil.example, a@evil.example") == (
        r"see # www\.evil.example or https\://evil.example, a\@evil.example"
    )


def test_a_page_lists_the_values_of_a_closed_list() -> None:
    page = (PARTNERS / "carrier.md").read_text(encoding="utf-8")
    assert "as it is, one of a closed list: `hold`, `release` |" in page
    merchant = (PARTNERS / "fellow-merchant.md").read_text(encoding="utf-8")
    assert "in words: `address_check`, `authentication`, `card_declined_often`," in merchant


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_of_a_partners_asyncapi_leads_somewhere(name: str) -> None:
    document = read(f"{name}.asyncapi.json")
    references = list(_references(document))
    assert len(references) > 8
    for reference in references:
        found = document
        for piece in reference.removeprefix("#/").split("/"):
            found = found[piece]
    assert document["asyncapi"] == "3.0.0"
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert addresses == [f"share.{name}.v1", f"share.{name}.ack.v1"]
    assert [each["action"] for each in document["operations"].values()] == ["receive", "send"]
