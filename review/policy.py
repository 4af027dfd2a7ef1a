"""How a store wants cases worked: which amounts take two people, by when a case is due, and what holds after that."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from models.decisions import Outcome
from review.cases import Case, Verdict

HOUR_MS = 3_600_000

Tag = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{1,31}$(?!\n)")]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`second_look`: of a currency, the amount in minor units from which an approval takes two people.

    Amounts of a currency that it does not name, and orders without an amount, take one. `due_h`: within how many hours
    of its opening a case of an outcome is due; one that is not named never is. `default`: the outcome that holds from
    then on, where nobody has decided. `seen_again`: of a verdict, the share that comes back blind to somebody else;
    which cases these are follows from their ids under `seed` alone. `tags`: the words that a case can be tagged with,
    and no others.
    """

    second_look: Mapping[str, int] = {}
    due_h: Mapping[Outcome, int] = {}
    default: Mapping[Outcome, Outcome] = {}
    seen_again: Mapping[Verdict, float] = {}
    seed: str = ""
    tags: tuple[Tag, ...] = ()


# About 5,000 US dollars; a review waits for a person at most a day, a block is looked at within three. Blocks come back
# too: where all first verdicts are of one kind, agreement cannot be told from chance.
POLICY = Policy(
    second_look={
        "SAR": 2_000_000, "AED": 2_000_000, "QAR": 2_000_000, "KWD": 1_500_000, "BHD": 2_000_000, "OMR": 2_000_000,
        "EGP": 25_000_000, "JOD": 3_500_000, "USD": 500_000, "EUR": 500_000, "GBP": 400_000,
    },
    due_h={"review": 24, "block": 72},
    default={"review": "approve", "block": "block"},
    seen_again={"dismiss": 0.02, "confirm_fraud": 0.02},
    seed="amana",
    tags=(
        "account_takeover", "card_testing", "friendly_fraud", "known_customer", "promotion_abuse", "reseller",
        "triangulation",
    ),
)  # fmt: skip


def takes_two(policy: Policy, case: Case) -> bool:
    """Whether one person alone may not approve it."""
    least = policy.second_look.get(case.currency or "")
    return least is not None and case.amount_minor is not None and case.amount_minor >= least


def due_at_ms(policy: Policy, outcome: Outcome, now_ms: int) -> int | None:
    """When a case of that outcome is due that opens, or comes back, now."""
    hours = policy.due_h.get(outcome)
    return None if hours is None else now_ms + hours * HOUR_MS


def default_of(policy: Policy, case: Case) -> Outcome | None:
    """What holds of a case that nobody decided in time; None: it stays overdue.

    What one person alone may not approve, or somebody had doubts about, the clock does not approve either.
    """
    outcome = policy.default.get(case.outcome)
    doubted = case.escalated or case.contested or case.first_look is not None or takes_two(policy, case)
    return "block" if outcome == "approve" and doubted else outcome
