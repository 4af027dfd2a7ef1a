"""Two partners lay their feeds side by side: how often does a trained matcher find the same case in both?

The feeds are made by the projections, the sealer and the releaser themselves, from a month of generated orders. The
attacker knows the contracts, has the truth of every second case to learn from (far more than anybody will ever have),
and sees of each message its fields, when it came, where in the order of arrival, and how long it was.
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.report import Outcome, Plan, Run
from events.types import Address, Contact, OrderPlaced, Payment
from sharing.batches import Waits, released
from sharing.contracts import FOLDER, Contract, load
from sharing.disclosable import Disclosable, Fulfilment, Verification
from sharing.operators.derive import SAFE
from sharing.projection import compile_contract
from sharing.tokens import Sealer
from sharing.tokens.keys import partner_keys
from tests.sharing import sealed

_TIME = re.compile(r"20[0-9]{2}-([0-9]{2}-[0-9]{2}|W[0-9]{2})")
FLAGGED = 0.02
DAYS = 28
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
KEY, ROOT = b"k" * 32, b"r" * 32
CITIES = (("Riyadh", "SA"), ("Jeddah", "SA"), ("Dammam", "SA"), ("Dubai", "AE"), ("Kuwait City", "KW"), ("Cairo", "EG"))
WEIGHTS = (30, 22, 12, 16, 12, 8)
# Attacks come in kinds, so that the reasons of a case are no free combination.
KINDS = (
    (("card.velocity", "card.declines"), 30), (("card.velocity",), 20), (("device.spread", "device.velocity"), 15),
    (("ip.velocity", "card.declines", "model.combined"), 10), (("model.combined",), 15),
    (("order.avs", "order.three_ds"), 10),
)  # fmt: skip
AGENCY, CARRIER, ACQUIRER, SUCCESSOR, MERCHANT = (
    "verification-agency", "carrier", "acquirer", "successor", "fellow-merchant",
)  # fmt: skip
PAIRS = (
    (ACQUIRER, CARRIER), (ACQUIRER, AGENCY), (CARRIER, AGENCY), (ACQUIRER, SUCCESSOR), (CARRIER, SUCCESSOR),
    (AGENCY, SUCCESSOR),
)  # fmt: skip

AT_ONE_MOMENT = ((ACQUIRER, CARRIER), (AGENCY, SUCCESSOR))
JITTERS_S = (600, 3_600, 21_600, 86_400)

AGAIN = f"another {MERCHANT}"
BATCHED = (
    (ACQUIRER, MERCHANT), (CARRIER, MERCHANT), (AGENCY, MERCHANT), (SUCCESSOR, MERCHANT), (MERCHANT, AGAIN),
)  # fmt: skip


class Case(NamedTuple):
    """A flagged order; `told_ms`: when it was flagged, and when an analyst confirmed it (None: never)."""

    item: Disclosable
    flagged_ms: int
    confirmed_ms: int | None


class Received(NamedTuple):
    """What a partner has of one message; `place`: of 1, how much of the feed came before it.

    `members` is the truth: the cases that it is about.
    """

    members: tuple[int, ...]
    at_ms: int
    size: int
    fields: dict[str, Any]
    place: float = 0.0


def cases(orders: int, rng: random.Random) -> list[Case]:
    """The flagged ones of that many orders, in the order of their times."""
    times = sorted(rng.random() * DAYS * 86_400 for _ in range(round(orders * FLAGGED)))
    return [_case(rng, number, BEGIN + timedelta(seconds=seconds)) for number, seconds in enumerate(times)]


def _case(rng: random.Random, number: int, moment: datetime) -> Case:
    city, country = rng.choices(CITIES, WEIGHTS)[0]
    reasons = list(rng.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0])
    if rng.random() < 0.15:
        reasons.append(rng.choice(sorted(SAFE)))
    order = OrderPlaced(
        event_id=f"e-{number}", occurred_at=moment, order_id=f"o-{number}", customer_id=f"c-{number % 1_500}",
        device_id=f"d-{number % 1_700}", amount_minor=round(100 * rng.lognormvariate(5.5, 1.1)), currency="SAR",
        contact=Contact(name="N"), shipping=Address(city=city, country=country), tracking_ref=f"t-{number}",
        payment=Payment(method=rng.choice(("card", "card", "wallet")), psp_reference=f"p-{number}",
                        three_ds=rng.choice(("authenticated", "attempted", "failed", "not_enrolled"))),
        ip="203.0.113.7",
    )  # fmt: skip
    flagged_ms = round(moment.timestamp() * 1000 + rng.lognormvariate(7, 0.5))
    confirmed = rng.random() < 0.7
    return Case(
        Disclosable(
            order=order,
            decision_id=f"orders:0:{number}",
            outcome=rng.choice(("block", "block", "review")),
            reasons=tuple(reasons),
            verdict="confirmed" if confirmed else "suspected",
            verification=Verification(
                agency=AGENCY, verification_ref=f"v-{number}", result="failed",
                failed_check=rng.choice(("document", "face", "phone")),
                verified_at=moment - timedelta(days=rng.random() * 90),
            ),
            fulfilment=Fulfilment(instruction="hold", deadline=moment + timedelta(hours=24 + 24 * rng.random())),
        ),
        flagged_ms,
        flagged_ms + round(3_600_000 * rng.lognormvariate(2, 1)) if confirmed else None,
    )  # fmt: skip


def feed(contract: Contract, of: Sequence[Case], rng: random.Random) -> list[Received]:
    """What the contract's partner receives, in the order of arrival."""
    projection = compile_contract(contract, KEY, [ROOT])
    told = [(number, case, _told_ms(contract, case)) for number, case in enumerate(of)]
    payloads = [(number, case, at, projection.project(case.item)) for number, case, at in told if at is not None]
    size = _sizes(contract.partner)
    if contract.delivery == "batch":
        return _batches(contract, [(number, case, at, body) for number, case, at, body in payloads], size, rng)
    found = [
        Received((number,), at + _wait_ms(contract, rng) + round(rng.lognormvariate(6, 0.8)), size(body), _fields(body))
        for number, _, at, body in payloads
    ]
    return _placed(found)


def _wait_ms(contract: Contract, rng: random.Random) -> int:
    return rng.randrange(contract.jitter_s * 1000 + 1) if contract.jitter_s else 0


def _placed(messages: Iterable[Received]) -> list[Received]:
    """In the order of arrival, each with its place in it."""
    found = sorted(messages, key=lambda each: each.at_ms)
    return [each._replace(place=place / len(found)) for place, each in enumerate(found)]


def _told_ms(contract: Contract, case: Case) -> int | None:
    if contract.trigger in {"confirmed", "requested"}:
        return case.confirmed_ms
    return case.flagged_ms if contract.triggered_by(case.item.outcome) else None


def _fields(body: bytes) -> dict[str, Any]:
    return {name: value for name, value in msgspec.json.decode(body).items() if name != "jti"}


def _sizes(partner: str) -> Callable[[bytes], int]:
    """How long a payload is once it is sealed for that partner."""
    keys = partner_keys(partner, sealed.public_set(sealed.private_set(80)), partner)
    sealer = Sealer(sealed.ISSUER, sealed.OURS, {partner: keys})

    def size(body: bytes) -> int:
        jti = msgspec.json.decode(body)["jti"]
        return len(sealer.seal(partner, jti, "B" * 22, sealed.EVENT, body, sealed.NOW_MS))

    return size


def _batches(
    contract: Contract,
    payloads: Sequence[tuple[int, Case, int, bytes]],
    size: Callable[[bytes], int],
    rng: random.Random,
) -> list[Received]:
    """Week after week what is ready leaves, on the contract's day and hour."""
    release = contract.release
    assert release is not None
    ladder = tuple(reversed([term.name for term in contract.fields if term.name != "count"][1:]))
    waiting = {
        str(number): Waits(str(number), f"case-{number}", str(case.item.order.customer_id), body, at)
        for number, case, at, body in payloads
    }
    found: list[Received] = []
    for week in range(1, DAYS // 7 + 6):
        now_ms = round((BEGIN + timedelta(days=7 * week, hours=release.hour)).timestamp() * 1000)
        ready = [each for each in waiting.values() if each.since_ms < now_ms]
        for place, group in enumerate(released(ready, ladder, now_ms, rng.shuffle, k=release.group_of)):
            body = msgspec.json.encode({"jti": "A" * 22, **group.values, "count": len(group.members)})
            members = tuple(int(member.jti) for member in group.members)
            found.append(Received(members, now_ms + 50 * place, size(body), _fields(body)))
            for member in group.members:
                del waiting[member.jti]
    return _placed(found)


# What the attacker compares: messages of one feed (rows) with those of another (columns).
Matrix = Any
Look = Callable[[Sequence[Received], Sequence[Received]], Matrix]


def looks(one: Sequence[Received], other: Sequence[Received]) -> dict[str, Look]:
    """Comparisons by name: arrival, order, size, and each field of one with each of the other."""
    found: dict[str, Look] = {
        "arrival": lambda a, b: _differences([each.at_ms / 1000 for each in a], [each.at_ms / 1000 for each in b]),
        "order": lambda a, b: _differences([each.place for each in a], [each.place for each in b]),
        "size": lambda a, b: _differences([each.size for each in a], [each.size for each in b]),
    }
    for name in sorted({name for message in one for name in message.fields}):
        for its in sorted({name for message in other for name in message.fields}):
            found[name if name == its else f"{name} / {its}"] = _comparing(name, its)
    return found


def _comparing(name: str, its: str) -> Look:
    def compare(a: Sequence[Received], b: Sequence[Received]) -> Matrix:
        xs, ys = [each.fields.get(name) for each in a], [each.fields.get(its) for each in b]
        if name == its == "reasons":
            return _overlaps(xs, ys)
        if any(map(_is_time, xs)) and any(map(_is_time, ys)):
            return _differences(list(map(_days, xs)), list(map(_days, ys)))
        codes = {value: place for place, value in enumerate(sorted({str(value) for value in [*xs, *ys]}))}
        left, right = (np.array([codes[str(value)] for value in values], dtype=float) for values in (xs, ys))
        return (left[:, None] == right) * 1.0 if name == its else left[:, None] * len(codes) + right

    return compare


def _differences(a: Sequence[float], b: Sequence[float]) -> Matrix:
    return np.array(b)[None, :] - np.array(a)[:, None]


def _overlaps(a: Sequence[Any], b: Sequence[Any]) -> Matrix:
    """Words in both over words in either."""
    words = sorted({word for each in [*a, *b] for word in each or ()})
    x, y = (np.array([[word in (each or ()) for word in words] for each in side], dtype=float) for side in (a, b))
    both = x @ y.T
    return both / np.maximum(1, x.sum(1)[:, None] + y.sum(1) - both)


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.match(value) is not None


def _days(value: Any) -> float:
    """Days of a truncated time, from the year 1."""
    if not _is_time(value):
        return float("nan")
    if value[5] == "W":
        return date.fromisocalendar(int(value[:4]), int(value[6:]), 1).toordinal()
    hours = int(value[11:13]) if "T" in value else 0
    return date.fromisoformat(value[:10]).toordinal() + hours / 24


def top1(one: Sequence[Received], other: Sequence[Received], used: dict[str, Look], rng: random.Random) -> float:
    """Share of the cases that are not known, and are in both feeds, for which the matcher's first choice is right.

    Every second case is known to the attacker: it learns from these, and looks for the others among messages that are
    not about known cases alone. A message about n cases says which of them is which to nobody: who has found the
    message is right one time in n.
    """
    model = _trained(one, other, used, rng)
    b = [message for message in other if not all(map(_known, message.members))]
    there = {case for message in b for case in message.members}
    a = [message for message in one if any(not _known(case) and case in there for case in message.members)]
    asked = sum(not _known(case) and case in there for message in a for case in message.members)
    assert asked, "two feeds that tell of no case both"
    right = 0.0
    for at in range(0, len(a), 200):  # rows at a time: all pairs at once would not fit
        rows = a[at : at + 200]
        seen = _seen(used, rows, b)
        scores = model.predict_proba(seen.reshape(-1, len(used)))[:, 1].reshape(len(rows), len(b))
        for message, chances in zip(rows, scores, strict=True):
            best = b[rng.choice(np.flatnonzero(chances == chances.max()).tolist())]
            found = sum(not _known(case) for case in {*message.members} & {*best.members})
            right += found / max(len(message.members), len(best.members))
    return right / asked


def _known(case: int) -> bool:
    return case % 2 == 0


def _trained(
    a: Sequence[Received], b: Sequence[Received], used: dict[str, Look], rng: random.Random
) -> HistGradientBoostingClassifier:
    """A matcher that learned from true pairs, pairs that arrived nearly together, and any others."""
    about = {case: place for place, message in enumerate(b) for case in message.members if _known(case)}
    pairs: dict[tuple[int, int], bool] = {}
    for i, message in enumerate(a):
        places = {about[case] for case in message.members if case in about}
        near = {min(len(b) - 1, max(0, place + rng.randrange(-5, 6))) for place in places for _ in range(5)}
        for j in places | near | {rng.randrange(len(b)) for _ in range(20 if places else 0)}:
            pairs[i, j] = j in places
    assert any(pairs.values()), "nothing to learn from: too few orders"
    rows, columns = np.array(list(pairs)).T
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.15, random_state=1)
    return model.fit(_pairwise(used, a, b, rows, columns), list(pairs.values()))


def _pairwise(
    used: dict[str, Look], a: Sequence[Received], b: Sequence[Received], rows: Matrix, columns: Matrix
) -> Matrix:
    return np.stack([look(a, b)[rows, columns] for look in used.values()], axis=-1)


def _seen(used: dict[str, Look], a: Sequence[Received], b: Sequence[Received]) -> Matrix:
    return np.stack([look(a, b) for look in used.values()], axis=-1)


def contracts() -> dict[str, Contract]:
    return {contract.partner: contract for contract in map(load, sorted(FOLDER.glob("*.yaml")))}


def measure(plan: Plan) -> Outcome:
    orders = plan.of(100_000, 40_000)
    rng = random.Random(5)
    of, known = cases(orders, rng), contracts()
    feeds = {name: feed(contract, of, rng) for name, contract in known.items() if contract.trigger != "requested"}
    feeds[AGAIN] = feed(known[MERCHANT], of, rng)
    batch = {(one, other): _by_all(feeds, one, other, rng) for one, other in BATCHED}
    real = {(one, other): _by_all(feeds, one, other, rng) for one, other in PAIRS}
    rows = [[f"{one} and {other}", "all of it", f"{share:.4f}"] for (one, other), share in (batch | real).items()]
    for one, other in [] if plan.quick else PAIRS:
        rows += _by_each(feeds[one], feeds[other], f"{one} and {other}", rng)
    rows += jittered(known, of, random.Random(6))
    groups = [len(message.members) for message in feeds[MERCHANT]]
    return Outcome(
        workload=(
            f"{orders:,} generated orders in {DAYS} days, {FLAGGED:.0%} of them flagged, seven in ten of these"
            f" confirmed. {len(groups)} groups of {min(groups)} cases or more, {sum(groups):,} cases in all, were"
            " released to the batch contract's partner. A gradient-boosted matcher is told the truth of every second"
            " case and learns from it; the share is of the other cases for which its first choice is right, by all that"
            " is seen and by each field (beside all fields of the other) or other thing alone."
            " linkage_top1 is the highest of the batch contract's; who has found a group of n is right about a person"
            " in it one time in n."
        ),
        runs=[Run("linkage", 0, {f"{one} and {other}": share for (one, other), share in (batch | real).items()})],
        figures={"linkage_top1": max(batch.values()), "linkage_top1_realtime": max(real.values())},
        targets={"linkage_top1": "<= .05"},
        columns=["feeds laid side by side", "by", "top-1"],
        rows=rows,
    )


def _by_all(feeds: dict[str, list[Received]], one: str, other: str, rng: random.Random) -> float:
    return top1(feeds[one], feeds[other], looks(feeds[one], feeds[other]), rng)


def jittered(known: dict[str, Contract], of: Sequence[Case], rng: random.Random) -> list[list[str]]:
    """Pairs that are told at one moment, where each message of both waits for a time drawn of up to so long."""
    found = []
    for one, other in AT_ONE_MOMENT:
        for seconds in JITTERS_S:
            waiting = (msgspec.structs.replace(known[name], jitter_s=seconds) for name in (one, other))
            a, b = (feed(contract, of, rng) for contract in waiting)
            every = looks(a, b)
            for name, used in (("all of it", every), ("arrival", {"arrival": every["arrival"]})):
                shown = f"{one} and {other}, both waiting up to {seconds:,} s"
                found.append([shown, name, f"{top1(a, b, used, rng):.4f}"])
    return found


def _by_each(one: Sequence[Received], other: Sequence[Received], name: str, rng: random.Random) -> list[list[str]]:
    """Field by field, of both feeds: what each does beside all of the other feed's."""
    every = looks(one, other)
    parts = {part for names in every for part in names.split(" / ")}
    found = []
    for part in sorted(parts):
        used = {names: look for names, look in every.items() if part in names.split(" / ")}
        found.append([name, part, f"{top1(one, other, used, rng):.4f}"])
    return found
