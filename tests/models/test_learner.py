import numpy as np
import pytest
from msgspec.structs import replace
from sklearn.ensemble import HistGradientBoostingClassifier

from models.forest import Forest
from models.learner import DEFAULT, Plan, Rows, _sampled, fit, learn, margins, merged
from models.measures import calibration_error, reliability

NO_WORDS = np.zeros(4, dtype=bool)
QUICK = Plan(trees=30, members=2)


def made(rows=6_000, seed=0):
    """Fraud is a high sum of the first two columns; the fourth is never there."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    x[:, 3] = np.nan
    chance = 1 / (1 + np.exp(4 - 2 * (x[:, 0] + x[:, 1])))
    return x, (random.random(rows) < chance).astype(np.int64), np.arange(rows) * 60_000


def test_members_are_averaged_into_one_forest() -> None:
    x, y, _ = made(1_000)
    x[:, 3] = 0.0
    members = [
        HistGradientBoostingClassifier(max_iter=5, max_features=0.5, early_stopping=False, random_state=seed).fit(x, y)
        for seed in range(3)
    ]
    mean = np.mean([member.decision_function(x) for member in members], axis=0)
    whole = merged(members)
    assert whole.decision_function(x) == pytest.approx(mean, abs=1e-12)
    assert (Forest(whole).margins(x[:50]) == whole.decision_function(x[:50])).all()


def test_a_row_of_a_large_matrix_gets_the_margin_that_it_gets_by_itself() -> None:
    x, y, _ = made(1_000)
    x[:, 3] = 0.0
    model = HistGradientBoostingClassifier(max_iter=3, early_stopping=False).fit(x, y)
    many = np.tile(x, (101, 1)).astype(np.float32)
    assert (margins(model, many) == model.decision_function(many)).all()
    assert len(margins(model, many[:0])) == 0


def test_the_same_rows_and_seed_give_the_same_scores_and_another_seed_others() -> None:
    x, y, at = made(2_000)
    one, again, other = (
        learn(x, y, at, QUICK, seed=seed, words=NO_WORDS, told=lambda _: None).scores(x) for seed in (1, 1, 2)
    )
    assert (one == again).all()
    assert (one != other).any()


def test_scores_are_probabilities_whatever_a_fraud_weighs() -> None:
    x, y, at = made(12_000)
    for power in (0.0, 0.5, 1.0):
        plan = replace(QUICK, fraud_power=power)
        learned = learn(x[:8_000], y[:8_000], at[:8_000], plan, seed=0, words=NO_WORDS, told=lambda _: None)
        assert calibration_error(reliability(y[8_000:], learned.scores(x[8_000:]))) < 0.02


def test_a_search_takes_the_best_of_its_plans_and_ends_with_its_time() -> None:
    x, y, at = made(2_000)
    told: list[str] = []
    searched = learn(x, y, at, replace(QUICK, trials=2), seed=0, words=NO_WORDS, told=told.append)
    assert [text for text in told if text.startswith("trying")] == [f"trying plan {n} of 3" for n in (1, 2, 3)]
    assert searched.plan.trees % 10 == 0
    told.clear()
    learn(x, y, at, replace(QUICK, trials=50, seconds=0.0), seed=0, words=NO_WORDS, told=told.append)
    assert "the search ended with its time, after 1 of 51 plans" in told


def test_too_few_frauds_to_tune_on_leave_the_plan_as_it_is() -> None:
    x, y, at = made(2_000)
    y[np.flatnonzero(y)[8:]] = 0
    assert learn(x, y, at, replace(QUICK, trials=3), seed=0, words=NO_WORDS, told=lambda _: None).plan.trees == 30


def test_columns_without_a_number_and_infinite_ones_are_learned_around() -> None:
    x, y, _ = made(2_000)
    x[::7, 2] = np.inf
    assert np.isfinite(fit(Rows(x, y, np.ones(len(y)), NO_WORDS), QUICK, 0).decision_function(x)).all()


def test_numbers_of_words_are_split_into_sets() -> None:
    random = np.random.default_rng(0)
    words = random.integers(0, 8, 4_000)
    y = np.isin(words, (1, 4, 6)).astype(np.int64)
    plan = replace(DEFAULT, trees=3, leaves=2, members=1, learning_rate=0.3)
    model = fit(Rows(words[:, None].astype(float), y, np.ones(len(y)), np.array([True])), plan, 0)
    assert ((model.decision_function(np.arange(8.0)[:, None]) > 0) == np.isin(np.arange(8), (1, 4, 6))).all()


def test_of_many_genuine_orders_each_member_draws_its_own_and_keeps_every_fraud() -> None:
    x, y, _ = made(6_000)
    rows = Rows(x, y, np.ones(len(y)), NO_WORDS)
    frauds = int(y.sum())
    drawn = [_sampled(rows, frauds + 500, seed) for seed in (0, 0, 1)]
    assert [int(one.y.sum()) for one in drawn] == [frauds] * 3
    assert [len(one.y) for one in drawn] == [frauds + 500] * 3
    assert drawn[0].weight[drawn[0].y == 0].sum() == pytest.approx(6_000 - frauds)
    assert (drawn[0].x[:, 0] == drawn[1].x[:, 0]).all()
    assert (drawn[0].x[:, 0] != drawn[2].x[:, 0]).any()
    assert len(_sampled(rows, 6_000, 0).y) == 6_000


def test_a_member_learns_in_double_precision_from_a_copy_in_which_an_empty_column_is_zero() -> None:
    x, y, _ = made(6_000)
    narrow = x.astype(np.float32)
    own = _sampled(Rows(narrow, y, np.ones(len(y)), NO_WORDS), 6_000, 0)
    assert own.x.dtype == np.float64
    assert (own.x[:, :3] == narrow[:, :3]).all()
    assert (own.x[:, 3] == 0.0).all()
    assert np.isnan(narrow[:, 3]).all()
