"""`amana backtest` over a made table, through the embedded server."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from events.facts import LabelFact, OrderFact
from features.definitions import DEFINITIONS
from models.learner import Plan
from streams.backtest import Asked, run, single
from streams.backtest_cli import backtest_command
from streams.backtest_facts import definitions_for, facts
from streams.tables import LabelColumns, Layout, read_orders

DAY_MS = 86_400_000
ROWS = 1_500
MAPPING = """
columns: {occurred_at: time, amount: price, order_id: id, customer_id: buyer, seller_id: shop}
values: {currency: SAR}
numbers: [pages]
categories: [channel]
labels: {label: fraud}
"""


def table(rows=ROWS, seed=0):
    """Shops 0 to 4 are fraudulent from the second day on; whatever costs over 250 is fraud too."""
    random = np.random.default_rng(seed)
    day = np.sort(random.random(rows) * 40)
    shop = random.integers(0, 60, rows)
    price = random.gamma(2.0, 50.0, rows)
    return pd.DataFrame(
        {
            "id": [f"o-{row}" for row in range(rows)],
            "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(day, unit="D"),
            "price": price.round(2),
            "buyer": random.integers(0, 200, rows),
            "shop": shop,
            "pages": random.integers(1, 30, rows),
            "channel": random.choice(["app", "web", "تطبيق"], rows),
            "fraud": (((shop < 5) & (day > 2)) | (price > 250)).astype(int),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backtest")
    table().to_csv(folder / "orders.csv", index=False)
    (folder / "mapping.yaml").write_text(MAPPING)
    return folder


def invoke(folder, *more):
    paths = ["--orders", folder / "orders.csv", "--mapping", folder / "mapping.yaml", "--out", folder / "out"]
    return CliRunner().invoke(backtest_command, [*map(str, paths), "--members", "1", *more])


def test_a_folder_that_cannot_be_made_is_said_before_the_work(folder) -> None:
    done = invoke(folder, "--out", str(folder / "orders.csv" / "out"))
    assert done.exit_code == 1
    assert "learning" not in done.output


def test_a_table_becomes_a_report_with_one_mapping_and_no_code(folder) -> None:
    done = invoke(folder)
    assert done.exit_code == 0, done.output
    written = json.loads((folder / "out" / "backtest.json").read_text())
    agreed = {
        "auc", "average_precision", "precision_at_100_per_day", "card_precision_at_100", "recall_at_1pct_fpr",
        "value_recall", "calibration_error", "orders", "frauds", "seconds", "orders_per_s",
    }  # fmt: skip
    assert agreed <= set(written)
    assert written["auc"] > 0.9
    assert written["test_from"] == "2026-01-29T00:00:00"
    assert written["train_until"].startswith("2026-01-25T00:")  # a tenth of forty days before
    assert written["definitions"] == DEFINITIONS.hash
    assert "seller.frauds.count.30d" in (folder / "out" / "report.html").read_text()
    scores = pd.read_csv(folder / "out" / "scores.csv")
    joined = scores.merge(pd.read_csv(folder / "orders.csv"), left_on="order_id", right_on="id", how="inner")
    assert (len(scores), len(joined)) == (written["orders"], written["orders"])
    assert (joined["label"] == joined["fraud"]).all()
    again = invoke(folder)
    assert again.exit_code == 0
    assert json.loads((folder / "out" / "backtest.json").read_text())["fingerprint"] == written["fingerprint"]


def test_windows_and_the_delay_may_be_given(folder) -> None:
    done = invoke(folder, "--delay-days", "3", "--test-from", "2026-01-25", "--test-until", "2026-02-01")
    assert done.exit_code == 0, done.output
    written = json.loads((folder / "out" / "backtest.json").read_text())
    assert written["train_until"] == "2026-01-22T00:00:00"
    assert written["test_until"] == "2026-02-01T00:00:00"


def test_a_table_of_two_days_has_a_delay_of_its_own_size(tmp_path) -> None:
    path = tmp_path / "orders.csv"
    times = np.linspace(0, 172_800, ROWS)
    table().assign(time=times, fraud=lambda t: (t["price"] > 150).astype(int)).to_csv(path, index=False)
    layout = Layout(columns={"occurred_at": "time", "amount": "price"}, labels=LabelColumns(label="fraud"))
    asked = Asked(orders=path, labels=path, layout=layout, out=tmp_path, plan=Plan(trees=20, members=1))
    found = run(asked, lambda *_: lambda _: None, lambda _: None)
    assert found.delay_days == 0.2
    assert found.auc > 0.95


def test_time_and_amount_alone_work(tmp_path) -> None:
    path = tmp_path / "orders.parquet"
    table().to_parquet(path)
    layout = Layout(columns={"occurred_at": "time", "amount": "price"}, labels=LabelColumns(label="fraud"))
    asked = Asked(orders=path, labels=path, layout=layout, out=tmp_path, plan=Plan(trees=20, members=1))
    found = run(asked, lambda *_: lambda _: None, lambda _: None)
    assert found.auc > 0.55  # what is dear
    assert found.card_precision_at_100 is None
    assert any("columns were constant" in note for note in found.notes)


def test_nan_everywhere_is_a_stated_outcome(tmp_path) -> None:
    path = tmp_path / "orders.csv"
    table().assign(price=np.nan, buyer=np.nan, shop=np.nan, pages=np.nan, channel=np.nan).to_csv(path, index=False)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    done = invoke(tmp_path)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "backtest.json").read_text())["value_recall"] is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(fraud=0), "none of 300 labels means fraud"),
        (lambda t: t.assign(fraud=1), "are fraud, as far as was known"),
        (lambda t: t[:0], "expected orders, found no row"),
        (lambda t: t.drop(columns="shop"), "no column shop"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path, spoil, message) -> None:
    spoil(table(300)).to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    done = invoke(tmp_path)
    assert done.exit_code == 1
    assert message in str(done.exception)


def orders_of(tmp_path, rows, **changes):
    path = tmp_path / "orders.parquet"
    table(rows).assign(**changes).to_parquet(path)
    columns = {"occurred_at": "time", "amount": "price", "customer_id": "buyer", "seller_id": "shop"}
    return read_orders(path, path, Layout(columns=columns, labels=LabelColumns(label="fraud")), 2 * DAY_MS)


def test_facts_come_in_the_order_of_their_times_and_a_fraud_is_told_of_when_it_is_known(tmp_path) -> None:
    orders = orders_of(tmp_path, 200)
    told = list(facts(orders))
    times = [fact.occurred_at_ms for fact in told]
    assert times == sorted(times)
    frauds = [fact for fact in told if isinstance(fact, LabelFact)]
    assert len(frauds) == orders.label.sum() > 0
    placed = {fact.order_id: fact for fact in told if isinstance(fact, OrderFact)}
    for fraud in frauds:
        assert fraud.occurred_at_ms == placed[fraud.order_id].occurred_at_ms + 2 * DAY_MS
        assert fraud.entities == placed[fraud.order_id].entities


def test_no_fact_holds_a_value_of_the_table(tmp_path) -> None:
    written = b"".join(map(msgspec.json.encode, facts(orders_of(tmp_path, 20, buyer="SECRET", shop="SECRET"))))
    assert b"SECRET" not in written


def test_only_features_that_the_table_can_speak_of_are_asked_for(tmp_path) -> None:
    names = definitions_for(orders_of(tmp_path, 20)).names
    assert {name.split(".")[0] for name in names} == {"customer", "seller", "order"}
    assert "customer.declines.count.24h" not in names
    assert {"seller.frauds.count.30d", "customer.amount.z.30d"} <= set(names)


def test_a_number_beyond_single_precision_is_its_largest() -> None:
    assert single(np.array([1e300, -1e300, 2.5])).tolist() == [np.finfo(np.float32).max, np.finfo(np.float32).min, 2.5]
