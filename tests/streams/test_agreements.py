from datetime import UTC, datetime

from prometheus_client import generate_latest
from structlog.testing import capture_logs

from sharing.contracts import FOLDER, load
from sharing.standing import Agreed
from streams.agreements import Watched
from streams.metrics import Metrics

ENDS_MS = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp()) * 1000  # the day after the last of every worked contract


def test_a_contract_that_ends_while_a_process_runs_is_named_once_and_shows_in_a_metric() -> None:
    clock, metrics = [ENDS_MS - 1], Metrics()
    agreed = Agreed([load(FOLDER / "carrier.yaml"), load(FOLDER / "acquirer.yaml")])
    with capture_logs() as logs:
        watched = Watched(lambda: agreed, lambda: clock[0], metrics)
        assert (logs, _silent(metrics)) == ([], {"acquirer": 0.0, "carrier": 0.0})
        clock[0] = ENDS_MS
        watched.look()
        watched.look()
    warning = {"event": "contract.not_in_force", "log_level": "warning", "version": 1, "why": "ended on 2027-12-31"}
    assert logs == [warning | {"partner": "carrier"}, warning | {"partner": "acquirer"}]
    assert _silent(metrics) == {"acquirer": 1.0, "carrier": 1.0}


def test_a_contract_that_has_not_begun_is_named_at_the_start() -> None:
    with capture_logs() as logs:
        Watched(lambda: Agreed([load(FOLDER / "carrier.yaml")]), lambda: 0)
    assert [(each["partner"], each["why"]) for each in logs] == [("carrier", "begins on 2026-01-01")]


def _silent(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    found = [line.partition("{")[2].split("} ") for line in lines if line.startswith("amana_contracts_not_in_force{")]
    return {label.split('"')[1]: float(value) for label, value in found}
