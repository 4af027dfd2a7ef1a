"""What of a case may be told: its envelope opened again for the projector, and what is put into it for that.

An order comes back without what no contract may ever name; a case without an envelope, or of a subject that was
erased, gives nothing.
"""

import msgspec

from events.types import OrderPlaced, Payment
from review.cases import Case, Kept, Personal, Verification
from review.errors import UnknownCase
from review.store import CaseStore
from sharing.fields import Disclosable
from vault.envelopes import Envelopes
from vault.errors import Erased

_PERSONAL = msgspec.json.Decoder(Personal)
_ORDER = set(Kept.__struct_fields__) & set(OrderPlaced.__struct_fields__)
_PAYMENT = set(Kept.__struct_fields__) & set(Payment.__struct_fields__)


def kept(order: OrderPlaced, verification: Verification | None = None) -> Kept:
    """Of the order, what contracts may come to need once the raw record is gone."""
    own = {name: getattr(order, name) for name in _ORDER}
    payment = {name: getattr(order.payment, name) for name in _PAYMENT}
    return Kept(**own, **payment, verification=verification)


def order_of(order_id: str, personal: Personal) -> OrderPlaced | None:
    """The order as far as it may be told; None for an envelope that was sealed before that was kept."""
    if personal.kept is msgspec.UNSET:
        return None
    values = msgspec.structs.asdict(personal.kept)
    return OrderPlaced(
        order_id=order_id,
        contact=personal.contact,
        billing=personal.billing,
        shipping=personal.shipping,
        ip=personal.ip,
        payment=Payment(**{name: values[name] for name in _PAYMENT}),
        **{name: values[name] for name in _ORDER},
    )


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
        order = personal and order_of(case.order_id, personal)
        return _disclosable(case, order) if order else None

    def _opened(self, case: Case) -> Personal | None:
        if case.envelope is None:
            return None
        try:
            return _PERSONAL.decode(self._envelopes.open(case.subject, case.order_id, "order", case.envelope))
        except Erased:
            return None


def _disclosable(case: Case, order: OrderPlaced) -> Disclosable:
    return Disclosable(
        order=order,
        decision_id=case.decision_id,
        outcome=case.outcome,
        reasons=tuple(reason.code for reason in case.reasons),
    )
