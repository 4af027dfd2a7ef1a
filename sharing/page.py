"""A partner's page, Markdown: fields, what they mean, why they leave, an example, and how to verify what arrives."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from events.topics import share_ack_topic, share_topic
from sharing.contracts import Contract, Trigger
from sharing.example import example_body
from sharing.fields import FIELDS
from sharing.operators import AnyOperator, Derive, Keep
from sharing.operators.derive import Told
from sharing.pseudonyms import Epoch
from sharing.widening import when

OCCASIONS: Mapping[Trigger, str] = {
    "flagged": "Told when an order is flagged: held for review, or blocked.",
    "blocked": "Told when an order is blocked.",
    "confirmed": "Told when an analyst has confirmed that an order was fraud.",
    "requested": "Told in answer to a request about one case, approved by two people, and before it expires.",
}
_ONWARD = {
    "prohibited": "not at all",
    "processors": "to your own processors, under the same terms",
    "as_law_requires": "as the law requires, and no further",
}
_GENERATED = "Generated from sharing/contracts/ by `python -m sharing.docs`; do not edit."


def page(contract: Contract) -> str:
    """The whole page."""
    return "\n".join(
        [
            f"# What {contract.partner} is told",
            "",
            _GENERATED,
            "",
            *_terms(contract),
            "",
            "## Fields",
            "",
            "A field that an order does not have is left out. Nothing else is ever in a message: an unknown field does",
            f"not fit its closed type, which [{contract.partner}.schema.json]({contract.partner}.schema.json) states.",
            "",
            "| field | what it means | how it leaves | why you get it |",
            "|---|---|---|---|",
            *(_row(term) for term in contract.fields),
            "",
            *_epochs(contract.epochs),
            *_example(contract),
            *_withdrawal(),
            *_verifying(contract),
        ]
    )


def index(contracts: Sequence[Contract]) -> str:
    """The list of the pages."""
    rows = (
        f"| [{each.partner}]({each.partner}.md) | {each.kind.replace('_', ' ')} | {OCCASIONS[each.trigger]} | "
        f"{', '.join(f'`{term.name}`' for term in each.fields)} |"
        for each in contracts
    )
    return "\n".join(
        [
            "# What partners are told",
            "",
            _GENERATED,
            "",
            "| partner | kind | when | fields |",
            "|---|---|---|---|",
            *rows,
            "",
            "Each has a page, a JSON Schema of its messages (`.schema.json`) and an AsyncAPI 3 document of its topics",
            "(`.asyncapi.json`). `amana contracts explain` shows an order beside what a partner gets of it.",
            "",
        ]
    )


def _terms(contract: Contract) -> Iterator[str]:
    rows = {
        "purpose": contract.purpose,
        "legal basis": contract.legal_basis,
        "when": OCCASIONS[contract.trigger],
        "delivery": _delivery(contract),
        "topics": f"`{share_topic(contract.partner)}`, acknowledged on `{share_ack_topic(contract.partner)}`",
        "pushed to": contract.push_url or "nowhere: read the topic, or poll",
        "keep it": f"{contract.retention_days} days at most",
        "pass it on": _ONWARD[contract.onward_sharing],
        "in force": f"from {contract.valid_from} until {contract.valid_until}",
        "policy": f"version {contract.policy_version}",
        "contract": f"version {contract.version}, SHA-256 `{contract.hash()}`",
    }
    yield from ("| | |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in rows.items())


def _delivery(contract: Contract) -> str:
    if contract.jitter_s:
        return f"each message after a wait drawn at random, of up to {contract.jitter_s} s; what changes it at once"
    return when(contract.release)


def _row(term: AnyOperator) -> str:
    told = f"{escaped(term.says())}{_values(term)}"
    return f"| `{term.name}` | {FIELDS[term.name].meaning} | {told} | {escaped(term.reason)} |"


def escaped(text: str) -> str:
    """A contract's own words as Markdown shows them: one line, and no mark-up, link, tag or column in it."""
    return re.sub(r"([\\`*_\[\]<>|~&@]|:(?=//)|(?<=www)[.])", r"\\\1", " ".join(text.split()))


def _values(term: AnyOperator) -> str:
    """The closed list that a value is of, where there is one to show."""
    told = get_args(Told) if isinstance(term, Derive) else FIELDS[term.name].choices if isinstance(term, Keep) else ()
    return f": {', '.join(f'`{value}`' for value in told)}" if told else ""


def _epochs(epochs: Sequence[Epoch]) -> Iterator[str]:
    if not epochs:
        return
    yield from (
        "## Pseudonyms",
        "",
        "A pseudonym is yours alone: no other partner's can be joined with it. Within an epoch one id has one",
        "pseudonym; in the next it has another, and nothing leads from one to the other. A message states its `epoch`,",
        "that of the day on which the order was placed (UTC), and never holds pseudonyms of two.",
        "",
        "| epoch | orders placed from |",
        "|---|---|",
        *(f"| {epoch.number} | {epoch.since} |" for epoch in epochs),
        "",
        "A message of its own, with `epoch` and `since` alone, tells you of each before it begins.",
        "",
    )


def _example(contract: Contract) -> Iterator[str]:
    body = json.dumps(json.loads(example_body(contract)), indent=2, ensure_ascii=False)
    yield from ("## Example", "", "The event of a token, made up:", "", "```json", body, "```", "")


def _withdrawal() -> Iterator[str]:
    yield from (
        "## When it changes",
        "",
        "A corrected message has `supersedes`, the `jti` of the one whose place it takes. What is taken back comes as",
        "",
        "```json",
        json.dumps({"jti": "B" * 22, "supersedes": "A" * 22, "status": "withdrawn"}, indent=2),
        "```",
        "",
        "`withdrawn`: an analyst cleared the order. `deleted`: delete what you hold of it; no reason is given.",
        "Acknowledge either when you have acted on it.",
        "",
    )


def _verifying(contract: Contract) -> Iterator[str]:
    yield from (
        "## How to verify",
        "",
        "1. Decrypt the compact JWE with your X25519 key: `alg` ECDH-ES, `enc` A256GCM, `cty` JWT, and no other.",
        "2. Verify the JWS inside with the key that its `kid` names in our JWKS: `alg` Ed25519, `typ` secevent+jwt,",
        "   and never `none`.",
        f"3. Check `aud`: `{contract.partner}`; and `iss`. `sub_id` is opaque: it means the same case, to you alone.",
        f"4. Take the one event, `{contract.event_uri}`,",
        "   and validate it by the schema. Its `jti` is the token's.",
        "5. The same `jti` again is a repeat: acknowledge it again, act on it once.",
        "6. Keep the signed checkpoint of the ledger that came with it: a receipt for any message verifies against it",
        "   with the stand-alone verifier, and shows that the ledger was not rewritten since.",
        "",
        "examples/partner/ does all of this in a few lines; `amana partner sandbox` sends made-up messages to try it.",
        "",
    )
