import math
import struct

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.facts import Entities
from history.errors import BadVector
from history.labels import IndexedOrder
from history.tables import decisions, labels
from tests.history.made import TOPIC, decision, label

ALWAYS = {"from_ms": 0, "until_ms": 10**15, "labels_known_at_ms": 10**15}
on_a_shared_database = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def empty(engine):
    with engine.begin() as connection:
        connection.execute(sa.delete(decisions))
        connection.execute(sa.delete(labels))


def stored(engine):
    with engine.connect() as connection:
        return {row.decision_id: row for row in connection.execute(sa.select(decisions))}


def test_a_decision_is_kept_with_all_that_later_rooms_ask_for(engine, index):
    index.record([(decision(7, order_id="order-7"), 1_234)])
    row = stored(engine)[f"{TOPIC}:0:7"]
    assert row._asdict() == {
        "decision_id": f"{TOPIC}:0:7",
        "revision": 1,
        "order_id": "order-7",
        "source_partition": 0,
        "source_offset": 7,
        "occurred_at_ms": 1_000,
        "decided_at_ms": 1_234,
        "outcome": "approve",
        "mode": "model",
        "score": 0.25,
        "amount_minor": 12_500,
        "currency": "SAR",
        "entities": '{"customer":"cccccccccccccccccccccc","card":"kkkkkkkkkkkkkkkkkkkkkk"}',
        "reasons": '[{"code":"card.velocity","feature":"card.orders.count.1h","value":4.0}]',
        "model": None,
        "definitions": "hash",
        "vector": struct.pack("<2d", 1.0, 2.0),
        "rules": None,
        "points": 0.0,
        "shadow": "[]",
        "scores": "[]",
    }


def test_recording_nothing_is_nothing(engine, index):
    index.record([])
    assert stored(engine) == {}


def test_a_repeat_changes_nothing_and_a_higher_revision_replaces(engine, index):
    index.record([(decision(1), 100)])
    index.record([(decision(1, outcome="block"), 200)])
    assert (stored(engine)[f"{TOPIC}:0:1"].outcome, stored(engine)[f"{TOPIC}:0:1"].decided_at_ms) == ("approve", 100)
    index.record([(decision(1, revision=2, outcome="block"), 300), (decision(1), 400)])
    assert (stored(engine)[f"{TOPIC}:0:1"].outcome, stored(engine)[f"{TOPIC}:0:1"].decided_at_ms) == ("block", 300)


def test_a_persons_revision_keeps_the_vector_that_was_decided_on(engine, index):
    index.record([(decision(1), 100), (decision(1, revision=2, vector=None, mode="analyst", outcome="block"), 200)])
    row = stored(engine)[f"{TOPIC}:0:1"]
    assert (row.mode, row.definitions, row.vector) == ("analyst", "hash", struct.pack("<2d", 1.0, 2.0))


revisions = st.tuples(
    st.integers(0, 3), st.integers(0, 3), st.sampled_from(["approve", "review", "block"]), st.booleans()
)


@on_a_shared_database
@given(batches=st.lists(st.lists(revisions, max_size=6), max_size=5))
def test_recording_equals_a_dictionary_of_first_highest_revisions(engine, index, batches):
    empty(engine)
    naive, now = {}, 0
    for batch in batches:
        made = []
        for offset, revision, outcome, has_vector in batch:
            now += 1
            one = decision(offset, revision=revision, outcome=outcome, vector=(float(now),) if has_vector else None)
            made.append((one, now))
            kept = naive.get(one.decision_id)
            if kept is None or revision > kept[0]:
                vector = one.vector or (kept and kept[3])
                naive[one.decision_id] = (revision, outcome, now, vector)
        index.record(made)
    found = stored(engine)
    assert {key: (row.revision, row.outcome, row.decided_at_ms, row.vector) for key, row in found.items()} == naive


def test_an_order_is_found_with_its_entities(index):
    index.record([(decision(1, order_id="a"), 1)])
    entities = Entities(customer="c" * 22, card="k" * 22)
    assert index.entities_of("a") == IndexedOrder(f"{TOPIC}:0:1", entities, 12_500, "SAR")
    assert index.entities_of("unknown") is None


def test_an_order_sent_twice_is_the_first_that_was_placed_whatever_arrived_first(index):
    index.record([(decision(10, order_id="a"), 1), (decision(9, order_id="a"), 2)])
    assert index.entities_of("a").decision_id == f"{TOPIC}:0:9"
    index.record([(decision(1, partition=2, order_id="a", at_ms=999), 3)])
    assert index.entities_of("a").decision_id == f"{TOPIC}:2:1"


def test_a_refused_order_is_found_without_an_amount(index):
    index.record([(decision(1, order_id="a", vector=None, amount_minor=None, currency=None, entities=Entities()), 1)])
    assert index.entities_of("a") == IndexedOrder(f"{TOPIC}:0:1", Entities(), None, None)


def test_a_repeated_label_is_recorded_once(engine, index):
    index.record_label(label(1, "a"))
    index.record_label(label(1, "a", kind="dismissed"))
    with engine.connect() as connection:
        assert connection.execute(sa.select(labels.c.label)).scalars().all() == ["chargeback"]


def test_the_training_table_has_a_row_for_each_logged_vector(index):
    index.record(
        [
            (decision(2, at_ms=2_000, vector=(3.0, math.nan), order_id="b"), 1),
            (decision(1, at_ms=1_000, vector=(1.5, -2.0), order_id="a"), 1),
            (decision(3, vector=None), 1),
            (decision(4, definitions="other"), 1),
        ]
    )
    index.record_label(label(1, "b"))
    expected = pd.DataFrame(
        {
            "x": [1.5, 3.0],
            "y": [-2.0, math.nan],
            "decision_id": [f"{TOPIC}:0:1", f"{TOPIC}:0:2"],
            "order_id": ["a", "b"],
            "occurred_at_ms": [1_000, 2_000],
            "amount_minor": [12_500, 12_500],
            "currency": ["SAR", "SAR"],
            "label": [0, 1],
            "labelled_at_ms": [math.nan, label(1, "b").occurred_at_ms],
        }
    )
    pd.testing.assert_frame_equal(index.training_table("hash", ("x", "y"), **ALWAYS), expected)


def test_the_training_table_of_nothing_has_the_same_columns(index):
    table = index.training_table("hash", ("x", "y"), **ALWAYS)
    assert list(table.columns) == [
        "x", "y", "decision_id", "order_id", "occurred_at_ms", "amount_minor", "currency", "label",
        "labelled_at_ms",
    ]  # fmt: skip
    assert table.empty


def test_every_decision_of_an_order_sent_twice_has_its_label(index):
    index.record([(decision(1, order_id="a"), 1), (decision(2, order_id="a"), 1), (decision(3, order_id="b"), 1)])
    index.record_label(label(1, "a"))
    assert index.training_table("hash", ("x", "y"), **ALWAYS)["label"].tolist() == [1, 1, 0]


def test_a_vector_of_another_width_than_its_definitions_is_named(index):
    index.record([(decision(1, vector=(1.0, 2.0, 3.0)), 1)])
    with pytest.raises(BadVector, match=f"decision {TOPIC}:0:1: a vector of 24 bytes, expected 16"):
        index.training_table("hash", ("x", "y"), **ALWAYS)


given_labels = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["chargeback", "confirmed", "dismissed"]),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=10,
)


@on_a_shared_database
@given(facts=given_labels, known_at_ms=st.integers(0, 5), window=st.tuples(st.integers(0, 4), st.integers(0, 4)))
def test_labels_in_the_training_table_equal_a_naive_reading(engine, index, facts, known_at_ms, window):
    empty(engine)
    orders = [decision(number, order_id=f"o{number}", at_ms=number) for number in range(4)]
    index.record([(order, 0) for order in orders])
    last = {}
    for offset, (order, kind, at_ms, recorded_at_ms) in enumerate(facts):
        fact = label(offset, f"o{order}", kind, at_ms, recorded_at_ms)
        index.record_label(fact)
        rank = (at_ms, recorded_at_ms, fact.source.text())
        if at_ms <= known_at_ms and rank > last.get(fact.order_id, ((-1,), ""))[0]:
            last[fact.order_id] = (rank, kind)
    table = index.training_table(
        "hash", ("x", "y"), from_ms=window[0], until_ms=window[1], labels_known_at_ms=known_at_ms
    )
    expected = {
        f"o{number}": int(last.get(f"o{number}", ((), ""))[1] in ("chargeback", "confirmed"))
        for number in range(window[0], window[1])
    }
    assert dict(zip(table["order_id"], table["label"], strict=True)) == expected


def test_a_long_history_is_read_in_parts(index):
    vectors = np.random.default_rng(0).normal(size=(12_345, 3))
    index.record([(decision(i, at_ms=i, vector=tuple(row), order_id=f"o{i}"), 0) for i, row in enumerate(vectors)])
    table = index.training_table("hash", ("x", "y", "z"), **ALWAYS)
    assert table[["x", "y", "z"]].to_numpy().tobytes() == vectors.tobytes()
    assert table["occurred_at_ms"].tolist() == list(range(12_345))
