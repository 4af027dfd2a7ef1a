"""A challenger beside the champion: who decides which orders, and what the decision says of it."""

import math
from hashlib import blake2b
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from events.facts import Coordinates, Entities, OrderFact, RefusedOrder
from models.decisions import ModelScore, Reason, encode
from models.errors import ForeignVectors
from models.policy import Policy
from models.rollout import Challenger, drawn
from models.screening import conclude

LOW, HIGH = Policy(review_at=0.3, block_at=0.8), Policy(review_at=0.05, block_at=0.06)
DEFINITIONS = SimpleNamespace(names=("a", "b"), hash="h")


def order(number, customer=None):
    return OrderFact(
        source=Coordinates("orders", "T" * 22, 3, number),
        event_id=f"e{number}",
        occurred_at_ms=number,
        recorded_at_ms=number,
        entities=Entities(customer=customer),
        order_id=f"order-{number}",
        amount_minor=12_500,
        currency="SAR",
        method="card",
    )


class Column:
    """The score is one of the features, and so is the reason."""

    definitions, names = "h", ("a", "b")

    def __init__(self, column, version):
        self.column, self.version = column, version

    def scores(self, matrix):
        return matrix[:, self.column].copy()

    def reasons(self, matrix):
        return [(Reason(f"{self.names[self.column]}.x"),) for _ in matrix]


CHAMPION, OTHER = Column(0, "20260101-aaaaaaaaaa"), Column(1, "20260201-bbbbbbbbbb")
ORDERS = [order(number, f"customer-{number}") for number in range(4_000)]


def concluded(facts, matrix, share, **more):
    return conclude(facts, matrix, CHAMPION, LOW, DEFINITIONS, challenger=Challenger(OTHER, HIGH, share), **more)


def test_in_shadow_every_order_is_scored_by_both_and_decided_by_the_champion():
    matrix = np.array([[0.1, 0.9], [0.9, 0.1]])
    alone = conclude(ORDERS[:2], matrix, CHAMPION, LOW, DEFINITIONS)
    decisions = concluded(ORDERS[:2], matrix, 0.0)
    assert [decision.scores for decision in decisions] == [
        (ModelScore(CHAMPION.version, 0.1, 1.0), ModelScore(OTHER.version, 0.9, 0.0)),
        (ModelScore(CHAMPION.version, 0.9, 1.0), ModelScore(OTHER.version, 0.1, 0.0)),
    ]
    assert [msgspec.structs.replace(decision, scores=()) for decision in decisions] == alone


def test_with_the_whole_share_the_challenger_decides_every_order_by_its_own_policy_and_reasons():
    matrix = np.array([[0.9, 0.05], [0.1, 0.9]])
    decisions = concluded(ORDERS[:2], matrix, 1.0)
    assert [(each.model, each.score, each.outcome, each.reasons[0].code) for each in decisions] == [
        (OTHER.version, 0.05, "review", "b.x"),
        (OTHER.version, 0.9, "block", "b.x"),
    ]


def test_each_order_is_decided_by_the_model_that_its_customer_falls_to():
    matrix = np.random.default_rng(1).random((len(ORDERS), 2))
    theirs = drawn(ORDERS, OTHER.version, 0.25)
    assert 0.22 < theirs.mean() < 0.28
    for number, decision in enumerate(concluded(ORDERS, matrix, 0.25)):
        model, policy, score = (OTHER, HIGH, 1) if theirs[number] else (CHAMPION, LOW, 0)
        one = conclude([ORDERS[number]], matrix[number : number + 1], model, policy, DEFINITIONS)[0]
        assert msgspec.structs.replace(decision, scores=()) == one
        assert decision.score == matrix[number, score]
        assert [each.share for each in decision.scores] == [0.75, 0.25]


def test_a_chunk_of_one_and_of_many_say_the_same_bytes():
    matrix = np.random.default_rng(1).random((50, 2))
    whole = concluded(ORDERS[:50], matrix, 0.5)
    single = [concluded([each], matrix[row : row + 1], 0.5)[0] for row, each in enumerate(ORDERS[:50])]
    assert list(map(encode, single)) == list(map(encode, whole))


def test_the_draw_is_the_documented_hash_of_the_customer_and_of_the_order_where_none_is_known():
    def place(whose):
        return int.from_bytes(blake2b(whose, digest_size=8, key=OTHER.version.encode()).digest(), "big") / 2**64

    orders = [order(1, "someone"), order(2, "someone"), order(3)]
    at = place(b"someone")
    assert drawn(orders, OTHER.version, math.nextafter(at, 1) + 1e-9).tolist()[:2] == [True, True]
    assert drawn(orders, OTHER.version, at - 1e-9).tolist()[:2] == [False, False]
    assert drawn(orders, OTHER.version, place(b"order-3") + 1e-9).tolist()[2] is True
    assert drawn(orders, OTHER.version, place(b"order-3") - 1e-9).tolist()[2] is False


def test_a_larger_share_keeps_the_smaller_ones_customers_and_another_challenger_draws_others():
    tenth, third = drawn(ORDERS, OTHER.version, 0.1), drawn(ORDERS, OTHER.version, 0.3)
    assert not (tenth & ~third).any()
    another = drawn(ORDERS, "20260301-cccccccccc", 0.1)
    assert 0.05 < (another & tenth).sum() / tenth.sum() < 0.15


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 4_000)])
def test_a_share_of_none_or_all_is_exactly_that(share, expected):
    assert drawn(ORDERS, OTHER.version, share).sum() == expected


def test_a_challenger_of_other_definitions_is_refused():
    foreign = Column(1, "20260201-bbbbbbbbbb")
    foreign.definitions = "other"
    with pytest.raises(ForeignVectors, match="model 20260201-bbbbbbbbbb was trained on definitions other"):
        conclude(ORDERS[:1], np.zeros((1, 2)), CHAMPION, LOW, DEFINITIONS, challenger=Challenger(foreign, LOW))


def test_a_refused_order_and_a_chunk_without_orders_are_as_without_a_challenger():
    refused = RefusedOrder(
        source=Coordinates("orders", "T" * 22, 3, 9),
        event_id="e",
        occurred_at_ms=9,
        recorded_at_ms=10,
        order_id="order-9",
        reason="refused.card_number",
    )
    matrix = np.zeros((1, 2))
    assert concluded([refused], matrix, 0.5) == conclude([refused], matrix, CHAMPION, LOW, DEFINITIONS)
    assert concluded([], np.zeros((0, 2)), 0.5) == []


def test_a_decision_with_one_model_spends_no_byte_on_others():
    (decision,) = conclude(ORDERS[:1], np.zeros((1, 2)), CHAMPION, LOW, DEFINITIONS)
    assert b'"scores"' not in encode(decision)
