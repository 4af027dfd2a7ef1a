"""Opens cases for flagged decisions; each leaves the trigger that partners are told by (sharing.projector)."""

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
from review.policy import POLICY, Policy, due_at_ms
from sharing.disclosable import Material, Verification
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes

Fetch = Callable[[Coordinates], OrderPlaced | None]
PathOf = Callable[[Pseudonym, int], tuple[Page, ...]]  # a session's last pages up to a time (ms)
VerifiedOf = Callable[[Decision], Verification | None]  # the last verification of its customer before the order


def no_verification(_: Decision) -> None:
    """Where nothing is known of verifications."""


class Vault(NamedTuple):
    """What seals a case and makes it searchable."""

    envelopes: Envelopes
    blind_index: BlindIndex


class Known(NamedTuple):
    """What else is known of an order when its case opens.

    `path`: the pages of the order's session, None where it named none. `verification`: the customer's last one.
    """

    path: tuple[Page, ...] | None = None
    verification: Verification | None = None


NOTHING = Known()


class Cases(Protocol):
    """Where cases are kept."""

    def known(self, decision_ids: Sequence[str]) -> frozenset[str]: ...
    def take_in_all(self, cases: Sequence[Case]) -> int: ...


def opens_case(decision: Decision) -> bool:
    """Whether the decision puts its order in front of analysts: flagged, and not by the fallback or a person."""
    return decision.outcome in FLAGGED and decision.mode != "analyst" and decision.revision >= 1


def open_case(
    decision: Decision,
    order: OrderPlaced | None,
    vault: Vault,
    now_ms: int,
    known: Known = NOTHING,
    policy: Policy = POLICY,
) -> Case:
    """The case of a flagged decision, what is personal sealed in it. Without an order (None) the case has no envelope.

    Raises ForeignOrder when the order is not the decision's.
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
        priority=decision.priority or 0.0,
        due_at_ms=due_at_ms(policy, decision.outcome, now_ms),
        card=decision.entities.card,
        device=decision.entities.device,
        withheld="refused" if decision.mode == "refused" else "expired",
    )
    return case if order is None else _filled(case, order, vault, known)


def _filled(case: Case, order: OrderPlaced, vault: Vault, known: Known) -> Case:
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
        envelope=vault.envelopes.seal(subject, order.order_id, "order", msgspec.json.encode(_personal(order, known))),
        withheld=None,
    )


def _personal(order: OrderPlaced, known: Known) -> Personal:
    return Personal(
        contact=order.contact,
        billing=order.billing,
        shipping=order.shipping,
        ip=order.ip,
        user_agent=order.user_agent,
        items=order.items,
        path=known.path,
        material=Material.of(order),
        verification=known.verification,
    )


class Opener:
    """The opener's stage: a plain function over decisions. `clock` gives milliseconds since the epoch."""

    def __init__(self, store: Cases, vault: Vault, clock: Callable[[], int], path_of: PathOf) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._path_of = path_of

    def handle(self, decisions: Sequence[Decision], fetch: Fetch, verified: VerifiedOf = no_verification) -> int:
        """Open a case for each flagged decision that has none; how many were opened.

        Once it returns, the cases are durable, and with each the trigger that partners are told by. A repeat opens
        nothing. An order that `fetch` does not find any more (None) gets a case without an envelope. The path of an
        order's session is copied into its case as far as it is known when the case opens.
        """
        flagged = [decision for decision in decisions if opens_case(decision)]
        known = self._store.known([decision.decision_id for decision in flagged])
        new = [decision for decision in flagged if decision.decision_id not in known]
        return self._store.take_in_all([self._case(decision, fetch, verified) for decision in new])

    def _case(self, decision: Decision, fetch: Fetch, verified: VerifiedOf) -> Case:
        order = None if decision.mode == "refused" else fetch(decision.source)
        known = Known() if order is None else Known(self._path(decision), verified(decision))
        return open_case(decision, order, self._vault, self._clock(), known)

    def _path(self, decision: Decision) -> tuple[Page, ...] | None:
        session = decision.entities.session
        return None if session is None else self._path_of(session, decision.occurred_at_ms)
