"""The store is a fair test: no raw field tells frauds apart, windows of behaviour do."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.simulated_store import field_aucs, field_aucs_by_kind, found, held_out, raw_fields, window_features
from events.types import OrderPlaced
from simulator.frauds import KINDS
from simulator.journal import Simulated
from simulator.settings import Settings
from simulator.store import simulate

RAW_LIMIT = 0.75


@pytest.fixture(scope="module")
def frauds(month: list[Simulated]) -> np.ndarray:
    return np.array([told.fraud is not None for told in month if isinstance(told.event, OrderPlaced)])


def test_no_raw_field_of_an_order_gives_a_fraud_away(month: list[Simulated], frauds: np.ndarray) -> None:
    table = raw_fields(told.event for told in month if isinstance(told.event, OrderPlaced))
    assert {"amount_minor", "hour", "shipping.country", "payment.method", "ip", "user_agent"} <= set(table.columns)
    assert {"ip_country", "ip_distance_km", "email_provider", "name_in_email"} <= set(table.columns)
    telling = {name: auc for name, auc in field_aucs(table, frauds).items() if auc > RAW_LIMIT}
    assert telling == {}


@pytest.mark.timeout(300)
def test_nor_does_one_give_any_kind_of_fraud_away() -> None:
    """In a store with so much fraud that a kind's orders are of dozens of stories: a few are told by heart."""
    told = simulate(Settings(seed=5, fraud_share=0.2, orders_per_day=500, browsing=0))
    telling = {
        kind: {name: auc for name, auc in aucs.items() if auc > RAW_LIMIT}
        for kind, aucs in field_aucs_by_kind(told, splits=3).items()
    }
    assert telling == {kind.name: {} for kind in KINDS}


def test_a_model_on_window_counts_finds_most_of_it(month: list[Simulated], frauds: np.ndarray) -> None:
    truth, scores = held_out(window_features(told.event for told in month), frauds)
    assert roc_auc_score(truth, scores) > 0.9
    assert found(truth, scores, 0.03) > 0.5
