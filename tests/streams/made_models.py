"""Small models of the real definitions, as different versions."""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.definitions import DEFINITIONS
from models import artifact, training
from models.promotion import Named


def saved(folder: Path, seed: int, definitions: str = DEFINITIONS.hash) -> Named:
    """A version to which a large amount is a fraud, mostly; how surely so depends on the seed."""
    trained = msgspec.structs.replace(
        trained_small(), seed=seed, offset=0.01 * seed, definitions=definitions, until_ms=seed * 86_400_000
    )
    version = artifact.save(folder, trained)
    return Named(version, artifact.check(folder, version).content)


@cache
def trained_small() -> training.Trained:
    random = np.random.default_rng(1)
    table = pd.DataFrame(0.0, index=range(400), columns=list(DEFINITIONS.names))
    large = random.random(len(table)) < 0.2
    table["order.amount_usd"] = np.where(large, 5_000.0, 5.0) + 100 * random.random(len(table))
    table = table.assign(
        decision_id=[f"t:0:{row}" for row in range(len(table))],
        order_id=[f"o-{row}" for row in range(len(table))],
        occurred_at_ms=np.arange(len(table)),
        label=(large & (random.random(len(table)) < 0.8)).astype(int),
    )
    settings = training.Settings(trees=5, learning_rate=0.5)
    with threadpool_limits(1, user_api="openmp"):
        return training.train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=1, settings=settings)
