"""What partners read, generated from their contracts: a page, a JSON Schema and an AsyncAPI document for each.

`python -m sharing.docs` writes docs/partners/ and sharing/schemas/contract.json, the JSON Schema of contracts
themselves; `--check` says which of the committed files are out of date.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from events.schemas import portable
from events.topics import share_ack_topic, share_topic
from sharing import page
from sharing.contracts import FOLDER, Contract, load
from sharing.projection import Rotation, Withdrawal, message_type

ROOT = Path(__file__).parents[1]
_TITLES = {
    "disclosure": "Something is told",
    "withdrawal": "Something told is taken back",
    "rotation": "Pseudonyms change on a day",
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def files(contracts: Sequence[Contract]) -> Mapping[str, str]:
    """Path, from the root, to text of everything that is generated."""
    found = {"sharing/schemas/contract.json": _json(contract_schema())}
    for contract in contracts:
        stem = f"docs/partners/{contract.partner}"
        found[f"{stem}.md"] = page.page(contract)
        found[f"{stem}.schema.json"] = _json(message_schema(contract))
        found[f"{stem}.asyncapi.json"] = _json(asyncapi(contract))
    found["docs/partners/README.md"] = page.index(contracts)
    return found


def contract_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a contract's file."""
    head = {"$schema": _DIALECT, "title": "A contract: who is told what of an order, and why"}
    return head | _portable(msgspec.json.schema(Contract))


def message_schema(contract: Contract) -> dict[str, Any]:
    """The JSON Schema of what a contract's tokens carry as their one event: a disclosure, or what takes one back."""
    schemas, components = _components(contract, "#/$defs/{name}")
    return {
        "$schema": _DIALECT,
        "title": f"What {contract.partner} is told, version {contract.version}",
        "oneOf": list(schemas.values()),
        "$defs": components,
    }


def asyncapi(contract: Contract) -> dict[str, Any]:
    """The AsyncAPI 3 document of a partner's two topics, from the partner's side."""
    messages, components = _components(contract, "#/components/schemas/{name}")
    basis = f"{contract.purpose}, on the basis of {contract.legal_basis}."
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"What {contract.partner} is told",
            "version": f"{contract.version}.0.0",
            "description": f"{basis} {page.OCCASIONS[contract.trigger]}",
        },
        "defaultContentType": "application/jose",
        "channels": {
            "told": _channel(share_topic(contract.partner), messages),
            "acknowledged": _channel(share_ack_topic(contract.partner), ["acknowledgement"]),
        },
        "operations": {
            "receive": _operation("receive", "told", messages),
            "acknowledge": _operation("send", "acknowledged", ["acknowledgement"]),
        },
        "components": {
            "messages": {
                **{name: _message(name, contract.event_uri, schema) for name, schema in messages.items()},
                "acknowledgement": {
                    "title": "Received",
                    "summary": "A JWS by the partner.",
                    "payload": {"type": "string"},
                },
            },
            "schemas": components,
        },
    }


def stale(root: Path) -> list[str]:
    """The generated files that are missing, out of date, or of no contract, from the root."""
    wanted = files(_shipped())
    found = {str(path.relative_to(root)) for path in (root / "docs" / "partners").glob("*")} | set(wanted)
    return sorted(name for name in found if _read(root / name) != wanted.get(name))


def write(root: Path) -> None:
    for name, text in files(_shipped()).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def _shipped() -> list[Contract]:
    return [load(path) for path in sorted(FOLDER.glob("*.yaml"))]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _components(contract: Contract, template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schemas of the messages that the contract's partner gets, by name, and what they refer to."""
    kinds = {"disclosure": message_type(contract), "withdrawal": Withdrawal}
    kinds |= {"rotation": Rotation} if contract.epochs else {}
    schemas, components = msgspec.json.schema_components(kinds.values(), ref_template=template)
    found = {name: portable(schema) for name, schema in components.items()}
    return dict(zip(kinds, schemas, strict=True)), found


def _portable(node: Any) -> dict[str, Any]:
    return dict(portable(node))


def _channel(address: str, messages: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "messages": refs}


def _operation(action: str, channel: str, messages: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    refs = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": refs}


def _message(name: str, event_uri: str, schema: Any) -> dict[str, Any]:
    """Text on the wire; what the schema describes is the member `event_uri` of `events` in the opened token."""
    return {
        "name": name,
        "title": _TITLES[name],
        "summary": f"A compact JWE around a JWS (RFC 8417); the schema is of its event {event_uri}.",
        "contentType": "application/jose",
        "payload": {"type": "string", "contentMediaType": "application/jose", "contentSchema": schema},
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _names(root: Path) -> Iterator[str]:
    yield from (f"{root / name} is out of date: run python -m sharing.docs\n" for name in stale(root))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sharing.docs", description="Write what partners read.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is out of date")
    if not parser.parse_args().check:
        write(ROOT)
        return 0
    lines = list(_names(ROOT))
    sys.stderr.writelines(lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
