"""The protocols of the detection benchmark; its data are not part of the project, its figures are not judged here."""

from datetime import UTC, datetime

from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks.detection import TARGETS, figures_of, longer, week
from benchmarks.report import Run
from models.backtest import Protocol


def days(protocol: Protocol) -> list[str]:
    moments = (protocol.train_from_ms, protocol.train_until_ms, protocol.test_from_ms, protocol.test_until_ms)
    return [f"{datetime.fromtimestamp(ms / 1000, UTC):%m-%d}" for ms in moments]


def test_the_published_week_and_the_longer_training_end_before_the_labels_delay() -> None:
    assert days(week(8)) == ["07-25", "08-01", "08-08", "08-15"]
    assert days(week(1)) == ["07-18", "07-25", "08-01", "08-08"]
    assert days(longer(8)) == ["07-11", "08-01", "08-08", "08-15"]


def test_the_longer_training_is_tested_on_the_same_customers() -> None:
    one, other = week(8), longer(8)
    assert one.leave_out_known
    assert other.leave_out_known
    assert other.known_from_ms == one.train_from_ms


def test_figures_are_medians_over_seeds() -> None:
    runs = [Run("synccfd", seed, {"auc": auc, "ap": 0.5, "cp100": 0.1}) for seed, auc in enumerate((0.9, 0.95, 0.91))]
    assert figures_of(runs) == {"synccfd_auc": 0.91, "synccfd_ap": 0.5}
    assert set(figures_of(runs)) < set(TARGETS)


def test_without_data_the_benchmark_says_what_it_needs() -> None:
    done = CliRunner().invoke(command.main, ["detection", "--quick"])
    assert done.exit_code == 2
    assert "expected --orders or --synccfd" in done.output
