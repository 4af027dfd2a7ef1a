"""derive: of the reason codes, those marked safe, under the words that partners know.

A code that is not marked says nothing, so a new reason of ours never leaves unnoticed. Reasons that describe a person's
habits (age of the account, spending, pages viewed) are not marked.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator

Told = Literal[
    "address_check",
    "authentication",
    "card_declined_often",
    "card_seen_in_fraud",
    "card_shared_widely",
    "card_used_often",
    "device_declined_often",
    "device_shared_widely",
    "device_used_often",
    "network_declined_often",
    "network_shared_widely",
    "network_used_often",
    "several_signals",
]
SAFE: Mapping[str, Told] = {
    "card.velocity": "card_used_often",
    "card.declines": "card_declined_often",
    "card.spread": "card_shared_widely",
    "card.frauds": "card_seen_in_fraud",
    "device.velocity": "device_used_often",
    "device.declines": "device_declined_often",
    "device.spread": "device_shared_widely",
    "ip.velocity": "network_used_often",
    "ip.declines": "network_declined_often",
    "ip.spread": "network_shared_widely",
    "network.velocity": "network_used_often",
    "network.declines": "network_declined_often",
    "network.spread": "network_shared_widely",
    "order.avs": "address_check",
    "order.three_ds": "authentication",
    "model.combined": "several_signals",
}


class Derive(Operator, frozen=True, kw_only=True, tag="derive"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("quasi",)
    shapes: ClassVar[tuple[Shape, ...]] = ("codes",)

    def output(self, _: Field) -> Any:
        return Annotated[tuple[Told, ...], Meta(max_length=len(set(SAFE.values())))]

    def apply(self, value: Sequence[str]) -> tuple[Told, ...]:
        """Each word once, in alphabetical order: neither order nor repetition tells how the score came about."""
        return tuple(sorted({SAFE[code] for code in value if code in SAFE}))

    def says(self) -> str:
        return "those of the reasons that are marked safe, in words"
