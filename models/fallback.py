"""Decides an order that screening has not decided in time, on its fact alone: no store, no model, no history.

The same fact gives the same bytes: a process that was restarted, or a second one beside it, repeats and does not
contradict. Revision 0, so that screening's own decision supersedes it; it opens no case and tells no partner.
"""

from collections.abc import Callable, Sequence

import msgspec

from events.facts import OrderFact, RefusedOrder
from features.rates import RATES, Rates
from models.decisions import Decision, Outcome, Reason

REVISION = 0
CLEAR = "fallback.clear"  # nothing that the fact says speaks against the order


class Limits(msgspec.Struct, frozen=True):
    """What is too much to be let through unseen: `review_from_usd`, in US dollars at the rates of features/rates.py."""

    review_from_usd: float = 300.0


LIMITS = Limits()


def conclude(fact: OrderFact | RefusedOrder, limits: Limits = LIMITS, rates: Rates = RATES) -> Decision:
    """Review where one of the signs is there, with all their codes as reasons; else approve.

    A refused order is reviewed for the reason of its refusal, as screening does.
    """
    if isinstance(fact, RefusedOrder):
        return _decision(fact, "review", [fact.reason])
    found = [*_amount(fact, limits, rates), *(code for code, is_there in SIGNS if is_there(fact))]
    decision = _decision(fact, "review" if found else "approve", found or [CLEAR])
    return msgspec.structs.replace(decision, amount_minor=fact.amount_minor, currency=fact.currency)


def countries_disagree(order: OrderFact) -> bool:
    """Whether where the card is from (where that is not known: the address) is none of the order's other countries.

    A gift sent abroad has the card's country and the address's in common, a journey the card's and the billing one.
    """
    known = [
        country
        for country in (order.issuer_country, order.ip_country, order.billing_country, order.shipping_country)
        if country is not None
    ]
    return len(known) > 1 and known[0] not in known[1:]


SIGNS: Sequence[tuple[str, Callable[[OrderFact], bool]]] = (
    ("fallback.countries", countries_disagree),
    ("fallback.avs", lambda order: order.avs == "mismatch"),
    ("fallback.cvv", lambda order: order.cvv_result == "mismatch"),
    ("fallback.three_ds", lambda order: order.three_ds == "failed"),
    ("fallback.email", lambda order: order.email_provider == "disposable"),
)


def _amount(order: OrderFact, limits: Limits, rates: Rates) -> list[str]:
    cents = rates.cents(order.amount_minor, order.currency, order.occurred_at_ms)
    if cents is None:
        return ["fallback.currency"]  # nobody knows how much it is
    return ["fallback.amount"] if cents >= 100 * limits.review_from_usd else []


def _decision(fact: OrderFact | RefusedOrder, outcome: Outcome, codes: Sequence[str]) -> Decision:
    return Decision(
        decision_id=fact.source.text(),
        revision=REVISION,
        order_id=fact.order_id,
        source=fact.source,
        occurred_at_ms=fact.occurred_at_ms,
        outcome=outcome,
        mode="fallback",
        reasons=tuple(map(Reason, codes)),
        entities=fact.entities,
    )
