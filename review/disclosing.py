"""What of a case may be told: its envelope opened again for the projector.

A case without an envelope, of a subject that was erased, or opened before there were projectors gives nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from review.cases import Case, Personal
from review.errors import UnknownCase
from review.store import CaseStore
from sharing.disclosable import Disclosable, Fulfilment, Material, Verdict
from vault.envelopes import Envelopes
from vault.errors import Erased

HELD = timedelta(hours=48)  # until then at the latest the carrier hears again

_PERSONAL = msgspec.json.Decoder(Personal)
_VERDICTS: Mapping[str | None, Verdict] = {None: "suspected", "confirm_fraud": "confirmed", "dismiss": "cleared"}


class SealedCases:
    """Cases for the projector, by their decision's id."""

    def __init__(self, store: CaseStore, envelopes: Envelopes) -> None:
        self._store = store
        self._envelopes = envelopes

    def disclosable(self, case_id: str) -> Disclosable | None:
        """What may be told of the case, or None where there is nothing (any more). Raises EnvelopeError if Tampered."""
        try:
            case = self._store.get(case_id)
        except UnknownCase:
            return None
        personal = self._opened(case)
        if personal is None or isinstance(personal.material, msgspec.UnsetType):
            return None
        return _disclosable(case, personal, personal.material)

    def _opened(self, case: Case) -> Personal | None:
        if case.envelope is None:
            return None
        try:
            return _PERSONAL.decode(self._envelopes.open(case.subject, case.order_id, "order", case.envelope))
        except Erased:
            return None


def _disclosable(case: Case, personal: Personal, material: Material) -> Disclosable:
    return Disclosable(
        order=material,
        decision_id=case.decision_id,
        outcome=case.outcome,
        reasons=tuple(reason.code for reason in case.reasons),
        verdict=_VERDICTS[case.verdict],
        verification=personal.verification,
        fulfilment=fulfilment(case),
    )


def fulfilment(case: Case) -> Fulfilment:
    """A parcel is held while its order is flagged and not cleared."""
    held = case.outcome != "approve" and case.verdict != "dismiss"
    deadline = datetime.fromtimestamp(case.opened_at_ms / 1000, UTC) + HELD
    return Fulfilment(instruction="hold" if held else "release", deadline=deadline)
