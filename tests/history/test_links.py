import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from events.facts import Entities
from history import links as history_links
from history.database import _MIGRATIONS
from history.links import Links, Past, Shared
from models.decisions import ModelScore
from tests.history.made import TOPIC, decision, label

CARD, OTHER = "k" * 22, "o" * 22


def of(**entities):
    return Entities(**entities)


def test_what_rules_and_models_said_of_a_decision_is_kept(engine, index):
    said = decision(
        1, mode="rules", model="m7", rules="ab12", points=0.25, shadow=("velocity.new",),
        scores=(ModelScore("m7", 0.25, 0.9), ModelScore("m8", 0.5, 0.1)),
    )  # fmt: skip
    index.record([(said, 2_000)])
    found = Links(engine).said(said.decision_id)
    assert (found.mode, found.rules, found.points, found.shadow) == ("rules", "ab12", 0.25, ("velocity.new",))
    assert found.scores == said.scores
    assert (found.decided_at_ms, found.score, found.entities) == (2_000, 0.25, said.entities)
    assert Links(engine).said("none") is None


def test_an_analysts_revision_leaves_what_rules_and_models_said(engine, index):
    said = decision(1, rules="ab12", points=0.25, shadow=("new",), scores=(ModelScore("m7", 0.25, 1.0),))
    index.record([(said, 2_000), (decision(1, revision=2, mode="analyst", vector=None), 3_000)])
    found = Links(engine).said(said.decision_id)
    assert (found.mode, found.revision, found.rules, found.points) == ("analyst", 2, "ab12", 0.25)
    assert (found.shadow, found.scores) == (("new",), said.scores)
    index.record([(decision(1, revision=3, rules="cd34"), 4_000)])
    found = Links(engine).said(said.decision_id)
    assert (found.rules, found.points, found.shadow, found.scores) == ("cd34", 0.0, (), ())


def test_an_entitys_past_counts_each_order_once_and_knows_frauds_by_their_newest_label(engine, index):
    rows = [
        decision(1, order_id="a", at_ms=1_000, outcome="block"),
        decision(2, order_id="b", at_ms=2_000, outcome="review"),
        decision(3, order_id="b", at_ms=3_000, outcome="approve"),  # sent again
        decision(4, order_id="c", at_ms=4_000),
        decision(5, order_id="d", at_ms=9_000, entities=of(card=OTHER)),
    ]
    index.record([(row, 10_000) for row in rows])
    for fact in (label(1, "a"), label(2, "c", "chargeback", 5_000), label(3, "c", "dismissed", 6_000)):
        index.record_label(fact)
    assert Links(engine).past("card", CARD) == Past(
        kind="card", orders=3, outcomes={"approve": 2, "block": 1}, frauds=1, first_ms=1_000, last_ms=4_000
    )
    assert Links(engine).past("device", CARD) is None


def test_of_an_entity_with_many_orders_the_newest_are_counted_and_it_says_so(engine, index, monkeypatch):
    monkeypatch.setattr(history_links, "MOST_COUNTED", 3)
    index.record([(decision(n, at_ms=n * 100), 0) for n in range(1, 6)])
    past = Links(engine).past("card", CARD)
    assert (past.orders, past.more, past.first_ms, past.last_ms) == (3, True, 100, 500)


def test_orders_that_share_most_come_first_and_the_order_itself_is_none_of_them(engine, index):
    mine = of(customer="c" * 22, card=CARD, ip="i" * 22)
    rows = [
        decision(1, order_id="mine", at_ms=5_000, entities=mine),
        decision(2, order_id="mine", at_ms=5_500, entities=mine),
        decision(3, order_id="card", at_ms=1_000, entities=of(card=CARD)),
        decision(4, order_id="both", at_ms=500, entities=of(card=CARD, ip="i" * 22), outcome="block"),
        decision(5, order_id="ip", at_ms=2_000, entities=of(ip="i" * 22, card=OTHER)),
        decision(6, order_id="none", at_ms=3_000, entities=of(card=OTHER, ip="j" * 22)),
        decision(7, order_id="crossed", at_ms=3_000, entities=of(device=CARD)),  # the same text, of another kind
    ]
    index.record([(row, 10_000) for row in rows])
    index.record_label(label(1, "both", "confirmed"))
    found = Links(engine).shared(mine, "mine", 10)
    assert [(each.order_id, each.kinds) for each in found] == [
        ("both", ("card", "ip")),
        ("ip", ("ip",)),
        ("card", ("card",)),
    ]
    assert found[0] == Shared(
        decision_id=f"{TOPIC}:0:4", order_id="both", occurred_at_ms=500, outcome="block", amount_minor=12_500,
        currency="SAR", kinds=("card", "ip"), label="confirmed",
    )  # fmt: skip
    assert Links(engine).shared(mine, "mine", 1) == found[:1]


def test_a_decision_recorded_again_is_linked_once(engine, index):
    for revision in (1, 2, 2):
        index.record([(decision(1, revision=revision), 0)])
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM history_links")) == 2


def test_decisions_from_before_are_linked_by_the_migration(engine, index):
    index.record([(decision(1, entities=of(card=CARD, email="e" * 22)), 0)])
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT entity, kind, occurred_at_ms, decision_id FROM history_links")).all()
    assert rows == [(CARD, "card", 1_000, f"{TOPIC}:0:1")]
    said = Links(engine).said(f"{TOPIC}:0:1")
    assert (said.points, said.shadow, said.scores) == (None, (), ())
