"""Whether a contract tells a case of what became of it: its trigger held against the case's outcome and verdict."""

from typing import Literal

import msgspec

from sharing.contracts import Contract
from sharing.disclosable import Disclosable
from sharing.projection import Projection

TriggerKind = Literal["flagged", "confirmed", "cleared", "corrected", "erased", "requested"]


def fires(contract: Contract, kind: TriggerKind, disclosable: Disclosable) -> bool:
    """Whether the contract tells a case of which that has become, when it has not told it before."""
    on_verdict = contract.trigger == "confirmed" and disclosable.verdict == "confirmed"
    if kind == "confirmed":
        return on_verdict
    on_outcome = contract.triggered_by(disclosable.outcome) and disclosable.verdict != "cleared"
    return on_outcome or (kind == "corrected" and on_verdict)


def still_told(contract: Contract, disclosable: Disclosable) -> bool:
    """Whether what the contract told may stand with the case as it is now."""
    return contract.trigger in ("confirmed", "requested") or contract.triggered_by(disclosable.outcome)


def tells_verdicts(projection: Projection, disclosable: Disclosable) -> bool:
    """Whether the verdict changed anything of what this contract tells."""
    before = msgspec.structs.replace(disclosable, verdict="suspected")
    return projection.project(before) != projection.project(disclosable)
