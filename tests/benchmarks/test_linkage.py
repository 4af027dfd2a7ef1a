"""The matcher finds what can be found, so that what it does not find means something."""

import random

import msgspec
import pytest

from benchmarks import linkage
from benchmarks.linkage import Received


@pytest.fixture(scope="module")
def feeds() -> dict[str, list[Received]]:
    rng = random.Random(5)
    of, known = linkage.cases(40_000, rng), linkage.contracts()
    names = (linkage.ACQUIRER, linkage.CARRIER, linkage.MERCHANT)
    return {name: linkage.feed(known[name], of, rng) for name in names}


def _top1(one: list[Received], other: list[Received], *names: str) -> float:
    every = linkage.looks(one, other)
    return linkage.top1(one, other, {name: every[name] for name in names or every}, random.Random(1))


def test_messages_that_arrive_together_are_found_by_their_arrival_alone(feeds: dict[str, list[Received]]) -> None:
    assert _top1(feeds[linkage.ACQUIRER], feeds[linkage.CARRIER], "arrival") > 0.95


def test_sizes_say_nothing(feeds: dict[str, list[Received]]) -> None:
    assert {message.size for name in feeds for message in feeds[name]} == {feeds[linkage.ACQUIRER][0].size}


def test_an_id_that_two_partners_shared_would_be_found(feeds: dict[str, list[Received]]) -> None:
    one = [each._replace(fields={"id": str(each.members[0])}) for each in feeds[linkage.ACQUIRER]]
    other = [each._replace(fields={"id": str(each.members[0])}) for each in feeds[linkage.CARRIER]]
    assert _top1(one, other, "id") > 0.99


def test_a_person_in_a_batch_is_found_one_time_in_twenty_at_most(feeds: dict[str, list[Received]]) -> None:
    assert min(len(message.members) for message in feeds[linkage.MERCHANT]) >= 20
    assert _top1(feeds[linkage.ACQUIRER], feeds[linkage.MERCHANT]) <= 0.05


def test_groups_of_two_would_be_found(feeds: dict[str, list[Received]]) -> None:
    """With arrival, that of a batch that did not wait for its hour."""
    pairs = [
        Received((a.members[0], b.members[0]), b.at_ms, b.size, {}, b.place)
        for a, b in zip(feeds[linkage.ACQUIRER][::2], feeds[linkage.ACQUIRER][1::2], strict=False)
    ]
    assert _top1(feeds[linkage.ACQUIRER], pairs, "arrival") > 0.3


def test_messages_that_each_waited_for_a_time_drawn_are_found_by_their_arrival_far_less_often() -> None:
    rng = random.Random(5)
    of, known = linkage.cases(40_000, rng), linkage.contracts()
    waiting = [msgspec.structs.replace(known[name], jitter_s=86_400) for name in (linkage.ACQUIRER, linkage.CARRIER)]
    one, other = (linkage.feed(contract, of, rng) for contract in waiting)
    assert _top1(one, other, "arrival") < 0.2
