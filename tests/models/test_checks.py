import numpy as np
import pytest

from models.checks import drifted, refuse_future, refuse_leaks, stability
from models.errors import FromTheFuture
from models.training import Settings, train

DAY_MS = 86_400_000


def test_an_order_of_the_moment_of_training_is_from_the_future() -> None:
    times = np.array([1, 2, 3])
    refuse_future(times, None, 4)
    with pytest.raises(FromTheFuture, match="1 of 3 orders are from the moment of training or later"):
        refuse_future(times, None, 3)


def test_a_label_that_nobody_knew_yet_is_from_the_future() -> None:
    times = np.array([1, 2, 3])
    refuse_future(times, np.array([np.nan, 9.0, np.nan]), 9)
    with pytest.raises(FromTheFuture, match="1 labels became known after the moment of training"):
        refuse_future(times, np.array([np.nan, 9.0, 10.0]), 9)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_tells_the_label_is_refused_by_name(sign) -> None:
    y = np.arange(1_000) % 20 == 0
    x = np.stack([np.random.default_rng(0).random(1_000), sign * y], axis=1)
    with pytest.raises(FromTheFuture, match="can be read off told alone"):
        refuse_leaks(x, y.astype(int), ("honest", "told"))
    refuse_leaks(x[:, :1], y.astype(int), ("honest",))


def test_a_column_that_is_only_there_for_frauds_is_refused() -> None:
    y = np.arange(1_000) % 20 == 0
    x = np.where(y, 5.0, np.nan)[:, None]
    with pytest.raises(FromTheFuture, match="told"):
        refuse_leaks(x, y.astype(int), ("told",))


def test_of_many_orders_all_frauds_are_looked_at_and_some_of_the_others() -> None:
    y = (np.arange(120_000) % 4_000 == 7).astype(int)  # 30, of which a sample would have a dozen
    told = np.where(y == 1, 1.0, np.random.default_rng(0).random(len(y)) * 0.9)
    with pytest.raises(FromTheFuture, match="can be read off told alone"):
        refuse_leaks(told[:, None], y, ("told",))
    halves = np.random.default_rng(1).normal(size=120_000)
    assert drifted(halves[:60_000, None], halves[60_000:, None], ("steady",)) == ()
    assert [name for name, _ in drifted(halves[:60_000, None], 1 + halves[60_000:, None], ("moved",))] == ["moved"]


def test_a_few_frauds_prove_nothing() -> None:
    y = (np.arange(1_000) < 24).astype(int)
    refuse_leaks(y[:, None].astype(float), y, ("told",))


def test_a_population_is_as_stable_as_its_shares() -> None:
    random = np.random.default_rng(0)
    one, same, other = random.normal(size=5_000), random.normal(size=5_000), random.normal(1.0, 1.0, 5_000)
    assert stability(one, same) < 0.01
    assert stability(one, other) > 0.25
    assert stability(one, np.where(random.random(5_000) < 0.5, np.nan, one)) > 0.25
    assert stability(np.full(9, np.nan), np.full(9, np.nan)) == 0.0
    named = drifted(np.stack([one, one], axis=1), np.stack([same, other], axis=1), ("steady", "moved"))
    assert [name for name, _ in named] == ["moved"]


def test_a_model_is_not_trained_on_the_future(table) -> None:
    names, last = tuple(table.columns[:6]), int(table["occurred_at_ms"].max())
    train(table, names, definitions="d", seed=0, settings=Settings(trees=5), known_at_ms=last + 1)
    with pytest.raises(FromTheFuture, match="1 of 4,000 orders"):
        train(table, names, definitions="d", seed=0, settings=Settings(trees=5), known_at_ms=last)


def test_a_feature_that_is_the_label_is_not_trained_on(table) -> None:
    leaking = table.assign(**{"x.y": table["label"].astype(float)})
    with pytest.raises(FromTheFuture, match=r"can be read off x\.y alone"):
        train(leaking, tuple(table.columns[:6]), definitions="d", seed=0, settings=Settings(trees=5))


def test_between_learned_and_judged_orders_is_the_labels_delay(table) -> None:
    names = tuple(table.columns[:6])
    gap = train(table, names, definitions="d", seed=0, settings=Settings(trees=5, delay_days=500 * 60_000 / DAY_MS))
    assert (gap.learned_orders, gap.metrics.orders) == (2_500, 1_000)
    longest = train(table, names, definitions="d", seed=0, settings=Settings(trees=5, delay_days=30))
    assert longest.learned_orders == 2_201  # a fifth of the 3,999 minutes are left out


def test_a_label_counts_only_if_it_was_known_when_the_judged_orders_began(table) -> None:
    names, begin = tuple(table.columns[:6]), int(table["occurred_at_ms"].iloc[3_000])
    frauds = table["label"] == 1
    known = table["occurred_at_ms"].where(frauds).astype(float)
    known[frauds & (table.index >= 1_500)] = begin + 1.0
    trained = train(table.assign(labelled_at_ms=known), names, definitions="d", seed=0, settings=Settings(trees=5))
    assert trained.learned_frauds == int(table["label"][:1_500].sum())
    assert trained.metrics.frauds == int(table["label"][3_000:].sum())


def test_orders_weigh_by_their_amount_where_that_is_asked_for(table) -> None:
    names = tuple(table.columns[:6])
    random = np.random.default_rng(0)
    priced = table.assign(amount_minor=random.gamma(1.0, 10_000, len(table)))
    plain, weighed = (
        train(priced, names, definitions="d", seed=0, settings=Settings(trees=5, amount_power=power))
        for power in (0.0, 1.0)
    )
    assert plain.fingerprint != weighed.fingerprint
