"""`amana backtest --visits` over a made web log, through the embedded server."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from models.errors import UntrainableTable
from streams.backtest_cli import backtest_command
from streams.errors import BadTable
from streams.visits import VisitLabels, VisitLayout, read_visit_layout, read_visits

START_MS = 1_767_225_600_000  # 1 January 2026
DAY_MS = 86_400_000
PATHS = ["/", "/category/7", "/product/12", "/product/31", "/cart"]
MAPPING = """
columns: {occurred_at: time, ip: client, user_agent: agent, path: url, status: code}
labels: {label: bot}
"""


def log(sessions=300, days=20, seed=0):
    """Every fifth visitor is a script: eight pages, three seconds apart, nothing beside them."""
    random, rows = np.random.default_rng(seed), []
    for number in range(sessions):
        script = number % 5 == 0
        at = START_MS + int(number / sessions * days * DAY_MS)
        for _ in range(8 if script else int(random.integers(3, 12))):
            at += 3_000 + int(random.integers(0, 40)) if script else int(random.lognormal(9.3, 1.0))
            url = PATHS[random.integers(0, 5)] if script or random.random() < 0.6 else "/img/logo.png"
            rows.append((at, f"100.64.{number // 250}.{number % 250}", "Mozilla/5.0", url, 200, int(script)))
    table = pd.DataFrame(rows, columns=["ms", "client", "agent", "url", "code", "bot"])
    return table.assign(time=pd.to_datetime(table["ms"], unit="ms", utc=True)).drop(columns="ms")


def invoke(folder, *more):
    paths = ["--visits", folder / "log.csv", "--mapping", folder / "mapping.yaml", "--out", folder / "out"]
    return CliRunner().invoke(backtest_command, [*map(str, paths), "--members", "1", *more])


@pytest.fixture
def folder(tmp_path):
    log().to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def test_a_web_log_becomes_a_report_with_one_mapping_and_no_code(folder) -> None:
    done = invoke(folder)
    assert done.exit_code == 0, done.output
    written = json.loads((folder / "out" / "backtest.json").read_text())
    assert {"auc", "average_precision", "recall_at_1pct_fpr", "calibration_error", "orders_per_s"} <= set(written)
    assert written["auc"] > 0.95
    assert written["automation_auc"] > 0.6
    assert (written["value_recall"], written["card_precision_at_100"]) == (None, None)
    assert written["visits"] == len(log())
    assert "session.automation" in (folder / "out" / "report.html").read_text()
    assert len((folder / "out" / "scores.csv").read_text().splitlines()) == written["orders"] + 1
    assert invoke(folder).exit_code == 0
    assert json.loads((folder / "out" / "backtest.json").read_text())["fingerprint"] == written["fingerprint"]


def read(tmp_path, table, columns, labels, label_table=None, **more):
    path = other = tmp_path / "visits.csv"
    table.to_csv(path, index=False)
    if label_table is not None:
        other = tmp_path / "labels.csv"
        label_table.to_csv(other, index=False)
    return read_visits(path, other, VisitLayout(columns=columns, labels=VisitLabels(**labels), **more), 0)


VIEWS = pd.DataFrame(
    {
        "at": [0, 60, 1_000, 4_000, 4_010, 4_020],
        "ip": ["a", "a", "b", "a", "b", "b"],
        "agent": ["x", "x", "x", "x", "x", "y"],
        "bot": [0, 1, 0, 0, None, None],
    }
)
COLUMNS = {"occurred_at": "at", "ip": "ip", "user_agent": "agent"}


def test_without_ids_a_session_is_an_ip_and_a_user_agent_without_half_an_hour_between(tmp_path) -> None:
    visits = read(tmp_path, VIEWS, COLUMNS, {"label": "bot"}, time_unit="s")
    assert visits.views["session"].tolist() == [0, 0, 1, 2, 3, 4]
    assert visits.occurred_at_ms.tolist() == [60_000, 1_000_000, 4_000_000, 4_010_000, 4_020_000]
    assert visits.label.tolist() == [1, 0, 0, -1, -1]
    assert visits.notes == ("2 sessions have no label: they count as people's",)


def test_with_ids_a_session_is_what_has_one_and_labels_are_looked_up_by_it(tmp_path) -> None:
    table = VIEWS.assign(sid=["s1", "s1", "s2", "s1", None, None])
    labels = pd.DataFrame({"session": ["s1", "s2", "s9"], "kind": ["Crawler", "human", "bot"]})
    columns = COLUMNS | {"session_id": "sid"}
    visits = read(tmp_path, table, columns, {"label": "kind", "session_id": "session"}, labels, time_unit="s")
    assert visits.views["session"].tolist() == [1, 1, 0, 1, 2, 3]
    assert visits.label.tolist() == [0, 1, -1, -1]
    assert visits.notes[0] == "1 labels name no session of the table: left out"


def test_labels_may_be_by_ip_and_say_what_means_a_script(tmp_path) -> None:
    labels = pd.DataFrame({"ip": ["a", "b"], "kind": ["z", "person"]})
    visits = read(tmp_path, VIEWS, COLUMNS, {"label": "kind", "ip": "ip", "fraud": ("Z",)}, labels, time_unit="s")
    assert visits.label.tolist() == [1, 0, 1, 0, 0]


def test_a_dash_is_how_web_servers_write_that_there_is_no_number(tmp_path) -> None:
    visits = read(
        tmp_path,
        VIEWS.assign(size=["-", "512", "-", "0", "-", "7"]),
        COLUMNS | {"bytes": "size"},
        {"label": "bot"},
        time_unit="s",
    )
    assert visits.views["bytes"].fillna(-1).tolist() == [-1, 512, -1, 0, -1, 7]


def test_a_log_as_web_servers_write_it_is_read(tmp_path) -> None:
    table = pd.DataFrame(
        {
            "time": ["[22/Jan/2026:03:56:14 +0330]", "[22/Jan/2026:03:56:16 +0330]"],
            "request": ["GET /a.css HTTP/1.1", "-"],
            "ip": ["1.2.3.4", "1.2.3.4"],
            "bot": ["no", "no"],
        }
    )
    columns = {"occurred_at": "time", "request": "request", "ip": "ip"}
    visits = read(tmp_path, table, columns, {"label": "bot"})
    assert visits.occurred_at_ms.tolist() == [1_769_041_576_000]
    assert visits.views["path"].tolist()[0] == "/a.css"
    assert visits.views["method"].tolist()[0] == "GET"


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("columns: {ip: client}\nlabels: {label: bot}", "expected a column for occurred_at"),
        ("columns: {occurred_at: time}\nlabels: {label: bot}", "expected a column for session_id, or for ip"),
        ("columns: {occurred_at: time, amount: x}\nlabels: {label: bot}", "no field of a visit is called amount"),
        ("columns: {occurred_at: time, ip: gone}\nlabels: {label: bot}", "no column gone"),
        ("columns: {occurred_at: url, ip: client}\nlabels: {label: bot}", "column url: expected a time"),
        ("columns: {occurred_at: time, ip: client, status: url}\nlabels: {label: bot}", "column url: expected numbers"),
        (
            "columns: {occurred_at: time, ip: client}\nlabels: {label: url, fraud: [none]}",
            "must hold fraud and genuine",
        ),
        ("columns: [", "expected YAML"),
        ("columns: {occurred_at: time, ip: client}", "labels"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_with_what_was_expected(folder, mapping, said) -> None:
    (folder / "mapping.yaml").write_text(mapping)
    done = invoke(folder)
    assert done.exit_code != 0
    assert isinstance(done.exception, BadTable | UntrainableTable), done.output
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (log().head(0), "found no row"),
        (log().assign(bot=None), "expected labels, found none"),
        (log().assign(time="yesterday"), "expected a time"),
        (log().head(1), "window"),
    ],
    ids=["empty", "no label", "no time", "one row"],
)
def test_a_log_that_cannot_be_used_is_refused_with_what_was_expected(folder, table, said) -> None:
    table.to_csv(folder / "log.csv", index=False)
    done = invoke(folder)
    assert isinstance(done.exception, BadTable | UntrainableTable), done.output
    assert said in str(done.exception)
    assert "yesterday" not in str(done.exception)


def test_fields_that_are_empty_throughout_are_a_stated_outcome(folder) -> None:
    log().assign(url=None, code=None, agent=None).to_csv(folder / "log.csv", index=False)
    done = invoke(folder)
    assert done.exit_code == 0, done.output
    written = json.loads((folder / "out" / "backtest.json").read_text())
    assert any("columns were constant" in note for note in written["notes"])


def test_labels_in_a_file_of_their_own_need_to_say_of_whom(folder) -> None:
    (folder / "labels.csv").write_text("client,bot\n1,1\n")
    done = invoke(folder, "--labels", str(folder / "labels.csv"))
    assert isinstance(done.exception, BadTable)
    assert "expected labels.session_id or labels.ip" in str(done.exception)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "one of --orders and --visits"),
        (["--leave-out-known"], "--leave-out-known and --known-from are for --orders"),
    ],
)
def test_what_is_for_orders_alone_is_refused_of_visits(folder, more, said) -> None:
    also = more or ["--orders", str(folder / "log.csv")]
    done = invoke(folder, *also)
    assert done.exit_code == 2
    assert said in done.output


def test_a_mapping_is_read_as_it_is_written(tmp_path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING)
    layout = read_visit_layout(tmp_path / "m.yaml")
    assert layout.columns["path"] == "url"
    assert layout.labels == VisitLabels(label="bot")
