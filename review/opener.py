"""Opens cases for flagged decisions, and makes the messages that partners get of them at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from events import canonical
from events.facts import Coordinates, Pseudonym
from events.types import OrderPlaced
from history.pages import Page
from models.decisions import FLAGGED, Decision
from review.cases import Case, Personal
from review.errors import ForeignOrder
from sharing.fields import Disclosable
from sharing.projection import Projection
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes

Fetch = Callable[[Coordinates], OrderPlaced | None]
PathOf = Callable[[Pseudonym, int], tuple[Page, ...]]  # a session's last pages up to a time (ms)


class Vault(NamedTuple):
    """What seals a case and makes it searchable."""

    envelopes: Envelopes
    blind_index: BlindIndex


class Message(NamedTuple):
    """What one partner gets: `body` under `key` on the partner's topic."""

    partner: str
    key: str
    body: bytes


class Cases(Protocol):
    """Where cases are kept."""

    def known(self, decision_ids: Sequence[str]) -> frozenset[str]: ...
    def take_in_all(self, cases: Sequence[Case]) -> int: ...


def opens_case(decision: Decision) -> bool:
    """Whether the decision puts its order in front of analysts: flagged, and not by the fallback or a person."""
    return decision.outcome in FLAGGED and decision.mode != "analyst" and decision.revision >= 1


def open_case(
    decision: Decision, order: OrderPlaced | None, vault: Vault, now_ms: int, path: tuple[Page, ...] | None = None
) -> Case:
    """The case of a flagged decision, what is personal sealed in it. Without an order (None) the case has no envelope.

    `path`: the pages of the order's session, None where it named none. Raises ForeignOrder when the order is not the
    decision's.
    """
    case = Case(
        decision_id=decision.decision_id,
        order_id=decision.order_id,
        opened_at_ms=now_ms,
        occurred_at_ms=decision.occurred_at_ms,
        outcome=decision.outcome,
        mode=decision.mode,
        subject=vault.blind_index("order", decision.order_id),
        score=decision.score,
        reasons=decision.reasons,
        amount_minor=decision.amount_minor,
        currency=decision.currency,
        withheld="refused" if decision.mode == "refused" else "expired",
    )
    return case if order is None else _filled(case, order, vault, path)


def _filled(case: Case, order: OrderPlaced, vault: Vault, path: tuple[Page, ...] | None) -> Case:
    if order.order_id != case.order_id:
        raise ForeignOrder(f"the record of decision {case.decision_id} holds another order than {case.order_id}")
    address = order.shipping or order.billing
    email = order.contact.email and canonical.email(order.contact.email)
    phone = order.contact.phone and canonical.phone(order.contact.phone, address.country if address else None)
    subject = vault.blind_index("customer", order.customer_id)
    return msgspec.structs.replace(
        case,
        subject=subject,
        country=address and address.country,
        last4=order.payment.last4,
        method=order.payment.method,
        email_index=vault.blind_index("email", email) if email else None,
        phone_index=vault.blind_index("phone", phone) if phone else None,
        envelope=vault.envelopes.seal(subject, order.order_id, "order", msgspec.json.encode(_personal(order, path))),
        withheld=None,
    )


def _personal(order: OrderPlaced, path: tuple[Page, ...] | None) -> Personal:
    return Personal(
        contact=order.contact,
        billing=order.billing,
        shipping=order.shipping,
        ip=order.ip,
        user_agent=order.user_agent,
        items=order.items,
        path=path,
    )


class Opener:
    """The opener's stage: a plain function over decisions. `clock` gives milliseconds since the epoch."""

    def __init__(
        self,
        store: Cases,
        vault: Vault,
        projections: Sequence[Projection],
        clock: Callable[[], int],
        path_of: PathOf,
    ) -> None:
        self._store = store
        self._vault = vault
        self._projections = projections
        self._clock = clock
        self._path_of = path_of

    def handle(self, decisions: Sequence[Decision], fetch: Fetch) -> list[Message]:
        """Open a case for each flagged decision that has none; give the messages to publish, in the decisions' order.

        Once it returns, the cases are durable. A repeat opens nothing and gives the same messages, byte for byte. An
        order that `fetch` does not find any more (None) gets a case without an envelope, and no message. The path of an
        order's session is copied into its case as far as it is known when the case opens.
        """
        flagged = [decision for decision in decisions if opens_case(decision)]
        known = self._store.known([decision.decision_id for decision in flagged])
        cases, messages = [], []
        for decision in flagged:
            order = None if decision.mode == "refused" else fetch(decision.source)
            if decision.decision_id not in known:
                cases.append(open_case(decision, order, self._vault, self._clock(), self._path(decision)))
            if order is not None:
                messages += self._messages(decision, order)
        self._store.take_in_all(cases)
        return messages

    def _path(self, decision: Decision) -> tuple[Page, ...] | None:
        session = decision.entities.session
        return None if session is None else self._path_of(session, decision.occurred_at_ms)

    def _messages(self, decision: Decision, order: OrderPlaced) -> list[Message]:
        disclosable = Disclosable(
            order=order,
            decision_id=decision.decision_id,
            outcome=decision.outcome,
            reasons=tuple(reason.code for reason in decision.reasons),
        )
        return [
            Message(projection.partner, projection.message_id(decision.decision_id), projection.project(disclosable))
            for projection in self._projections
            if projection.contract.triggered_by(decision.outcome)
        ]
