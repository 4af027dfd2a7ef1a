import msgspec
import pytest

from events.facts import Coordinates
from models.decisions import Decision, ModelScore
from models.errors import BadPromotion
from models.promotion import Judge, Named, Promotion, Switch, decoded, encode, judge_of, switch_key

FIRST, SECOND = Named("20260101-aaaaaaaaaa", "a" * 64), Named("20260201-bbbbbbbbbb", "b" * 64)
GOOD = Promotion(champion=FIRST, challenger=SECOND, share=0.1, actor="noor")


def test_a_promotion_and_a_switch_are_read_as_they_were_written():
    switch = Switch(partition=3, offset=17, judge=Judge(((FIRST.version, 1.0),), "r"), before=None, instance="0")
    assert decoded(encode(GOOD)) == GOOD
    assert decoded(encode(switch)) == switch
    assert switch_key(3) == b"facts/3"


@pytest.mark.parametrize("body", [None, b"", b"{", b"\xff", b"{}", b'{"format":"amana-rules-1"}', b"[" * 100_000])
def test_what_is_neither_is_refused_without_a_word_of_it(body):
    with pytest.raises(BadPromotion, match=r"^not a promotion of a model$"):
        decoded(body)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"actor": ""}, "it has no actor"),
        ({"actor": "x\n"}, "it has no actor"),
        ({"share": 1.5}, "expected a share of orders, 0 to 1, got 1.5"),
        ({"share": -0.1}, "expected a share of orders, 0 to 1, got -0.1"),
        ({"challenger": None}, "a share of orders, but no challenger to decide it"),
        ({"challenger": FIRST}, "champion and challenger are both 20260101-aaaaaaaaaa"),
    ],
)
def test_a_roll_out_that_contradicts_itself_is_refused(changed, why):
    with pytest.raises(BadPromotion, match=f"^{why}$"):
        decoded(encode(msgspec.structs.replace(GOOD, **changed)))


def decision(mode="model", model="m1", scores=()):
    source = Coordinates("orders", "T", 0, 1)
    common = {"decision_id": "T:0:1", "revision": 1, "order_id": "o", "source": source, "occurred_at_ms": 1}
    return Decision(outcome="approve", mode=mode, model=model, rules="r", scores=scores, **common)


@pytest.mark.parametrize(
    ("decisions", "judge"),
    [
        ([], None),
        ([decision(mode="refused", model=None)], None),
        ([decision(mode="refused", model=None), decision()], Judge((("m1", 1.0),), "r")),
        ([decision(mode="rules")], Judge((("m1", 1.0),), "r")),
        ([decision(mode="rules", model=None)], Judge((), "r")),
        (
            [decision(model="m2", scores=(ModelScore("m1", 0.1, 0.9), ModelScore("m2", 0.2, 0.1)))],
            Judge((("m1", 0.9), ("m2", 0.1)), "r"),
        ),
    ],
)
def test_a_chunks_decisions_say_what_it_was_judged_by(decisions, judge):
    assert judge_of(decisions) == judge
