"""The README's examples, run as they stand against a real broker and the real stages."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.definitions import DEFINITIONS
from models import artifact
from models.training import train
from tests.harness import Kafka, Redis

ROOT = Path(__file__).parents[1]
BROKERS = "127.0.0.1:9092"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
AMANA = [sys.executable, "-m", "streams.cli"]


class Printed(Exception):
    """The example printed something: its loop has done enough."""


@contextmanager
def running(stage: str, environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen([*AMANA, stage], env=environment, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


def run_example(source: str, kafka: Kafka) -> list[Any]:
    printed: list[Any] = []

    def note(*values: Any) -> None:
        printed.extend(values)
        raise Printed

    assert BROKERS in source
    names: dict[str, Any] = {"print": note}
    try:
        exec(source.replace(BROKERS, kafka.brokers), names)
    except Printed:
        pass
    finally:
        if "decisions" in names:
            names["decisions"].close()
    return printed


def blocking_model(folder: Path) -> None:
    """A model for stages that are told to block every order that is scored at all."""
    rows, names = 500, DEFINITIONS.names
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.exponential(1.0, (rows, len(names))), columns=list(names)).assign(
        decision_id=[f"id:0:{row}" for row in range(rows)],
        order_id=[f"o-{row}" for row in range(rows)],
        occurred_at_ms=np.arange(rows) * 60_000,
        amount_minor=100,
        currency="USD",
        label=np.arange(rows) % 5 == 0,
    )
    artifact.save(folder, train(table, names, definitions=DEFINITIONS.hash, seed=0))


@pytest.mark.timeout(300)
def test_the_order_services_examples_publish_an_order_and_read_its_decision(tmp_path: Path) -> None:
    publish, read_back = EXAMPLES
    blocking_model(tmp_path / "models")
    with Kafka() as kafka, Redis() as redis, ExitStack() as stages:
        environment = os.environ | {
            "AMANA_BROKERS": kafka.brokers,
            "AMANA_REDIS": redis.url,
            "AMANA_DATABASE": f"sqlite:///{tmp_path}/amana.db",
            "AMANA_KEYRING": str(tmp_path / "keyring.json"),
            "AMANA_MODELS": str(tmp_path / "models"),
            "AMANA_REVIEW_AT": "0",
            "AMANA_BLOCK_AT": "0",
        }
        for command in (
            ["keys", "init", environment["AMANA_KEYRING"]],
            ["topics", "create", "--partitions", "2"],
        ):
            subprocess.run([*AMANA, *command], env=environment, cwd=ROOT, check=True)
        for stage in ("intake", "screen"):
            stages.enter_context(running(stage, environment))
        run_example(publish, kafka)
        order_id, outcome, reasons = run_example(read_back, kafka)
    assert (order_id, outcome) == ("o-1001", "block")
    assert isinstance(reasons, list)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()))))
def test_every_file_that_the_readme_links_to_exists(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^    make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= set(targets)
