from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from models import artifact, training

NAMES = (
    "card.orders.count.1h",
    "card.orders.count.24h",
    "ip.declines.count.1h",
    "phone.age_s",
    "order.amount_usd",
    "x.y",
)
START_MS = 1_780_000_000_000


def make_table(rows=4_000, seed=0):
    """Fraud is many orders with a card and many declines at an address; `x.y` is always absent."""
    random = np.random.default_rng(seed)
    vectors = np.floor(random.exponential(2.0, size=(rows, len(NAMES))))
    vectors[random.random(vectors.shape) < 0.1] = np.nan
    vectors[:, 5] = np.nan
    pull = np.nan_to_num(vectors[:, 0]) + np.nan_to_num(vectors[:, 2]) + random.normal(0, 1, rows)
    return pd.DataFrame(vectors, columns=list(NAMES)).assign(
        decision_id=[f"topic:0:{offset}" for offset in range(rows)],
        order_id=[f"order-{offset}" for offset in range(rows)],
        occurred_at_ms=START_MS + np.arange(rows) * 60_000,
        amount_minor=1_000,
        currency="SAR",
        label=(pull > 10).astype(int),
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Training on several threads is slower than on one where other work fills the cores."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.fixture(scope="session")
def table():
    return make_table()


@pytest.fixture(scope="session")
def trained(table):
    return training.train(table, NAMES, definitions="d" * 32, seed=7)


@pytest.fixture(scope="session")
def scorer(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder, trained)
    return artifact.load(folder)


@pytest.fixture(scope="session")
def definitions():
    return SimpleNamespace(names=NAMES, hash="d" * 32)


@pytest.fixture(scope="session")
def matrix(table):
    return table[list(NAMES)].to_numpy(dtype=np.float64)
