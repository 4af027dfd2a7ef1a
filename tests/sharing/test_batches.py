"""Groups of a batch: never fewer than k people, all alike, nobody in two, and nobody forgotten."""

import random
from collections import Counter, defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.batches import PATIENCE_MS, K, Waits, is_hour, ladder_of, people, released, values_of

NOW_MS = 1_772_403_400_000
OLD_MS, NEW_MS = NOW_MS - PATIENCE_MS, NOW_MS - PATIENCE_MS + 1
LADDER = ("week", "amount")


def waits(number: int, *, person: str | None = None, since_ms: int = NEW_MS, **values: Any) -> Waits:
    payload = msgspec.json.encode({"jti": f"{number:022}", **values})
    return Waits(f"{number:022}", f"topic:0:{number}", person or f"person-{number}", payload, since_ms)


def unshuffled(_: list[Any]) -> None:
    """The order as it comes."""


CASES = st.lists(
    st.tuples(
        st.integers(0, 30),  # who
        st.sampled_from([OLD_MS, NEW_MS]),
        st.sampled_from(["SA", "AE"]),
        st.sampled_from(["0-100", "100-"]),
        st.sampled_from(["2026-W09", "2026-W10", "2026-W11"]),
    ),
    max_size=150,
)


def made(cases: list[tuple[int, int, str, str, str]]) -> list[Waits]:
    return [
        waits(number, person=f"person-{who}", since_ms=since, country=country, amount=amount, week=week)
        for number, (who, since, country, amount, week) in enumerate(cases)
    ]


@given(CASES, st.integers(2, 8))
@settings(max_examples=200, deadline=None)
def test_no_group_has_fewer_than_k_people_or_unequal_values_and_nobody_leaves_twice(
    cases: list[tuple[int, int, str, str, str]], k: int
) -> None:
    waiting = made(cases)
    groups = released(waiting, LADDER, NOW_MS, unshuffled, k=k)
    for group in groups:
        assert len({member.person for member in group.members}) >= k
        assert {"country"} <= set(group.values) <= {"country", "amount", "week"}
        assert all(values_of(member.payload, LADDER[: group.rung]) == group.values for member in group.members)
    left = Counter(member.jti for group in groups for member in group.members)
    assert set(left.values()) <= {1}
    assert set(left) <= {each.jti for each in waiting}


@given(CASES, st.integers(2, 8))
@settings(max_examples=200, deadline=None)
def test_who_waits_on_has_fewer_than_k_of_its_kind_among_those_left(
    cases: list[tuple[int, int, str, str, str]], k: int
) -> None:
    waiting = made(cases)
    gone = {member.jti for group in released(waiting, LADDER, NOW_MS, unshuffled, k=k) for member in group.members}
    left = [each for each in waiting if each.jti not in gone]
    for rung in range(len(LADDER) + 1):
        crowds: dict[bytes, set[str]] = defaultdict(set)
        for each in left:
            if rung == 0 or each.since_ms == OLD_MS:
                values = values_of(each.payload, LADDER[:rung])
                crowds[msgspec.json.encode(values, order="deterministic")].add(each.person)
        assert all(len(crowd) < k for crowd in crowds.values())


def test_nineteen_people_wait_and_twenty_leave_whole() -> None:
    nineteen = [waits(n, country="SA") for n in range(19)]
    assert K == 20
    assert released(nineteen, LADDER, NOW_MS, unshuffled) == ()
    (group,) = released([*nineteen, waits(19, country="SA"), waits(20, country="SA")], LADDER, NOW_MS, unshuffled)
    assert (group.values, len(group.members), group.rung) == ({"country": "SA"}, 21, 0)


def test_twenty_orders_of_one_person_are_no_crowd() -> None:
    one = [waits(n, person="noura", country="SA") for n in range(25)]
    assert people(one) == 1
    assert released(one, LADDER, NOW_MS, unshuffled) == ()
    (group,) = released([*one, *(waits(n, country="SA") for n in range(30, 49))], LADDER, NOW_MS, unshuffled)
    assert (group.people, len(group.members)) == (20, 44)


def test_what_has_waited_long_is_generalised_one_rung_at_a_time() -> None:
    old = [waits(n, since_ms=OLD_MS, country="SA", amount="0-100", week=f"2026-W{n % 4:02}") for n in range(20)]
    (group,) = released(old, LADDER, NOW_MS, unshuffled)
    assert (group.values, group.rung) == ({"country": "SA", "amount": "0-100"}, 1)
    mixed = [waits(n, since_ms=OLD_MS, country="SA", amount=f"{n % 2}-", week="2026-W10") for n in range(20)]
    (group,) = released(mixed, LADDER, NOW_MS, unshuffled)
    assert (group.values, group.rung) == ({"country": "SA"}, 2)
    assert released([waits(n, country="SA", week=str(n)) for n in range(20)], LADDER, NOW_MS, unshuffled) == ()


def test_groups_leave_in_the_order_that_chance_gives_and_not_in_that_of_their_cases() -> None:
    waiting = [waits(n, country="ABCDEFGH"[n % 8]) for n in range(8 * K)]
    seeds = {
        tuple(group.values["country"] for group in released(waiting, (), NOW_MS, random.Random(seed).shuffle))
        for seed in range(20)
    }
    assert len(seeds) > 15


def test_the_ladder_ends_before_nothing_is_told() -> None:
    assert ladder_of(("reasons", "country", "amount", "week", "count")) == ("week", "amount", "country")
    assert ladder_of(("reasons",)) == ()


def test_batches_leave_at_three_in_the_morning_alone() -> None:
    midnight = NOW_MS - NOW_MS % 86_400_000
    assert [hour for hour in range(24) if is_hour(midnight + hour * 3_600_000 + 3_599_999)] == [3]
    assert [hour for hour in range(24) if is_hour(midnight + hour * 3_600_000)] == [3]
