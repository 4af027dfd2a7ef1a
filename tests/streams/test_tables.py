"""What a mapping makes of a table, and what is said of one that cannot be used."""

import numpy as np
import pandas as pd
import pytest

from streams.errors import BadTable
from streams.tables import LabelColumns, Layout, read_layout, read_orders

DAY_MS = 86_400_000
TABLE = pd.DataFrame(
    {
        "id": [3, 1, 2],
        "at": ["2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T12:00:00Z"],
        "price": [30.0, 10.0, None],
        "buyer": [7.0, None, 8.0],
        "fraud": [0, 1, 0],
        "channel": ["web", "app", "web"],
        "size": [1, 2, 3],
    }
)
COLUMNS = {"occurred_at": "at", "amount": "price", "order_id": "id", "customer_id": "buyer"}
JANUARY_MS = 1_767_225_600_000


def layout(columns=None, label=None, **more):
    return Layout(columns=columns or COLUMNS, labels=label or LabelColumns(label="fraud"), **more)


def read(tmp_path, table=TABLE, how=None, labels=None, suffix="csv"):
    path = tmp_path / f"orders.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    other = path
    if labels is not None:
        other = tmp_path / "labels.csv"
        labels.to_csv(other, index=False)
    return read_orders(path, other, how or layout(), 7 * DAY_MS)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_orders_are_read_by_time_with_their_labels(tmp_path, suffix) -> None:
    orders = read(tmp_path, suffix=suffix, how=layout(numbers=("size",), categories=("channel",)))
    assert orders.order_id == ["1", "2", "3"]
    assert orders.occurred_at_ms.tolist() == [JANUARY_MS, JANUARY_MS + DAY_MS * 3 // 2, JANUARY_MS + 2 * DAY_MS]
    assert orders.amount.tolist() == pytest.approx([10.0, np.nan, 30.0], nan_ok=True)
    assert orders.fields["customer_id"] == [None, "8", "7"]
    assert orders.label.tolist() == [1, 0, 0]
    assert orders.labelled_at_ms[0] == JANUARY_MS + 7 * DAY_MS
    assert orders.numbers["size"].tolist() == [2, 3, 1]
    assert orders.categories["channel"].tolist() == [0, 1, 1]


def test_time_and_amount_alone_are_enough(tmp_path) -> None:
    orders = read(tmp_path, how=layout({"occurred_at": "at", "amount": "price"}))
    assert orders.order_id == ["1", "2", "0"]  # rows of the file
    assert orders.fields == {}


def test_a_text_may_be_of_several_columns(tmp_path) -> None:
    orders = read(tmp_path, how=layout(COLUMNS | {"shipping_address": ("channel", "buyer")}))
    assert orders.fields["shipping_address"] == [None, "web 8", "web 7"]


@pytest.mark.parametrize(
    ("numbers", "unit", "first"),
    [
        ([10, 20, 30], None, 10_000),
        ([1_767_225_600, 1_767_225_601, 1_767_225_602], None, JANUARY_MS),
        ([JANUARY_MS, JANUARY_MS + 1, JANUARY_MS + 2], None, JANUARY_MS),
        ([1.5, 2.5, 3.5], "d", 1.5 * DAY_MS),
    ],
)
def test_times_may_be_numbers(tmp_path, numbers, unit, first) -> None:
    orders = read(tmp_path, TABLE.assign(at=numbers), layout(time_unit=unit))
    assert orders.occurred_at_ms[0] == first


def test_labels_may_be_in_a_file_of_their_own_and_the_last_one_counts(tmp_path) -> None:
    labels = pd.DataFrame(
        {
            "order": [1, 1, 2, 99], "said": ["chargeback", "dismissed", "confirmed", "confirmed"],
            "at": ["2026-01-05", "2026-01-09", "2025-12-01", "2026-01-09"],
        }
    )  # fmt: skip
    how = layout(label=LabelColumns(label="said", order_id="order", labelled_at="at"))
    orders = read(tmp_path, how=how, labels=labels)
    assert orders.label.tolist() == [0, 1, -1]
    assert orders.labelled_at_ms[0] == JANUARY_MS + 8 * DAY_MS
    assert orders.labelled_at_ms[1] == orders.occurred_at_ms[1]  # said to be known before it was placed
    assert orders.notes == (
        "1 labels name no order of the table: left out",
        "1 labels are from before their order: they count from the order's time",
        "1 orders have no label: they count as genuine",
    )


@pytest.mark.parametrize(
    ("table", "how", "message"),
    [
        (TABLE[:0], layout(), "expected orders, found no row"),
        (TABLE.drop(columns="price"), layout(), "no column price; there are id, at, buyer, fraud, channel, size"),
        (TABLE.assign(at=["x", "2026-01-01", "y"]), layout(), "column at: expected a time .* 2 of 3 .* first in row 1"),
        (TABLE.assign(at=[1.0, None, 2.0]), layout(), "1 of 3 have none, the first in row 2"),
        (TABLE.assign(price=["1", "SECRET", "2"]), layout(), "column price: expected numbers, 1 of 3 are none"),
        (TABLE.assign(id=[1, 1, 2]), layout(), "column id: expected each order once; 1 rows repeat"),
        (TABLE.assign(id=[1, None, 2]), layout(), "column id: expected an id in every row; 1 have none"),
        (TABLE.assign(fraud=None), layout(), "column fraud: expected labels, found none"),
    ],
)
def test_a_table_that_cannot_be_used_is_said_to_be_so_by_column(tmp_path, table, how, message) -> None:
    with pytest.raises(BadTable, match=message) as refused:
        read(tmp_path, table, how)
    assert "orders.csv" in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_labels_of_their_own_file_need_an_order(tmp_path) -> None:
    with pytest.raises(BadTable, match=r"labels.csv: expected labels.order_id in the mapping"):
        read(tmp_path, labels=pd.DataFrame({"fraud": [1]}))


def test_what_is_no_table_is_refused(tmp_path) -> None:
    (tmp_path / "orders.parquet").write_bytes(b"nothing")
    with pytest.raises(BadTable, match=r"expected a CSV \(UTF-8\) or Parquet table"):
        read_orders(tmp_path / "orders.parquet", tmp_path / "orders.parquet", layout(), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: [", "line 1: expected YAML"),
        ("columns: {}", "missing required field `labels`"),
        ("columns: {occurred_at: t, amount: a}\nlabels: {label: l}\nextra: 1", "unknown field `extra`"),
        ("columns: {occurred_at: t, amount: a, colour: c}\nlabels: {label: l}", "no event field is called colour"),
        ("columns: {occurred_at: t, amount: [a, b]}\nlabels: {label: l}", "expected one column for amount"),
        ("columns: {amount: a}\nlabels: {label: l}", "expected a column for occurred_at"),
        ("columns: {occurred_at: t}\nlabels: {label: l}", "expected a column for amount"),
        ("columns: {occurred_at: t, amount: a, amount_minor: b}\nlabels: {label: l}", "and not both"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(BadTable, match=message) as refused:
        read_layout(path)
    assert "mapping.yaml" in str(refused.value)


MINIMAL = "columns: {occurred_at: at, amount: price}\nlabels: {label: fraud"


def mapped(tmp_path, text):
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return read_layout(path)


def test_scalars_of_a_mapping_are_texts(tmp_path) -> None:
    how = mapped(tmp_path, MINIMAL + ", fraud: [1, yes], order_id: null}\ntime_origin: 1899-12-30")
    assert how.labels == LabelColumns(label="fraud", fraud=("1", "yes"))
    assert how.time_origin == "1899-12-30"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "\x01", "expected YAML: there is a character or a depth"),
        ("[" * 3000, "expected YAML: there is a character or a depth"),
        (MINIMAL + "}\ntime_origin: yesterday", "time_origin: expected a date"),
        (MINIMAL + "}\nvalues: {quantity: many}", "values: expected a number for quantity"),
        (MINIMAL + "}\nvalues: {order_id: 5}", "values: expected order_id as a column"),
        (MINIMAL + "}\nvalues: {amount: 5}", "values: expected amount as a column"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_one_clear_line(tmp_path, text, message) -> None:
    with pytest.raises(BadTable, match=message):
        mapped(tmp_path, text)


def test_a_number_may_be_the_same_in_every_order(tmp_path) -> None:
    assert read(tmp_path, how=layout(values={"quantity": "2"})).fields["quantity"] == [2.0, 2.0, 2.0]


def test_times_may_be_nanoseconds(tmp_path) -> None:
    numbers = [JANUARY_MS * 10**6, JANUARY_MS * 10**6 + 1, JANUARY_MS * 10**6 + 2]
    assert read(tmp_path, TABLE.assign(at=numbers)).occurred_at_ms.tolist() == [JANUARY_MS] * 3


def test_a_time_after_all_that_can_be_written_is_refused(tmp_path) -> None:
    with pytest.raises(BadTable, match="column at: expected a time"):
        read(tmp_path, TABLE.assign(at=[1e9, 2e9, 3e9]), layout(time_unit="d"))


def test_how_times_were_read_that_have_no_unit_is_said(tmp_path) -> None:
    days = TABLE.assign(at=[46_023.0, 46_024.0, 46_025.5])  # as spreadsheets count
    assert "times are numbers without a time_unit: read as s since 1970-01-01" in read(tmp_path, days).notes
    counted = read(tmp_path, days, layout(time_unit="d", time_origin="1899-12-30"))
    assert counted.occurred_at_ms[0] == JANUARY_MS
    assert not counted.notes


def test_amounts_that_count_for_nothing_are_said(tmp_path) -> None:
    table = TABLE.assign(price=[-5, 1, 2], money=["Riyal", " sar", None])
    notes = read(tmp_path, table, layout(COLUMNS | {"currency": "money"})).notes
    assert notes == (
        "1 amounts are below zero: they count as zero",
        "1 orders are in no currency that has a rate (ISO 4217): their amounts count in no sum",
    )


def test_a_first_line_that_is_no_header_is_not_repeated(tmp_path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("203.0.113.9,2026-01-01,5\n", encoding="utf-8")
    with pytest.raises(BadTable, match=r"names in the first line, .* between them; it has none of") as refused:
        read_orders(path, path, layout(), 0)
    assert "203.0.113.9" not in str(refused.value)


def test_a_comma_at_the_end_of_each_line_moves_no_column(tmp_path) -> None:
    path = tmp_path / "orders.csv"
    head, *rows = TABLE.to_csv(index=False).splitlines()
    path.write_text("\n".join([head, *(row + "," for row in rows)]), encoding="utf-8")
    assert read_orders(path, path, layout(), 0).order_id == ["1", "2", "3"]


def test_labels_of_which_none_means_fraud_are_refused_with_what_would(tmp_path) -> None:
    with pytest.raises(BadTable, match=r"column fraud: none of 3 labels means fraud; .* 1, .*labels.fraud") as refused:
        read(tmp_path, TABLE.assign(fraud=["SECRET", "good", "good"]))
    assert "SECRET" not in str(refused.value)
    assert read(tmp_path, TABLE.assign(fraud=["نعم", "لا", "لا"])).label.tolist() == [0, 0, 1]


def test_labels_of_which_none_is_of_an_order_are_refused(tmp_path) -> None:
    how = layout(label=LabelColumns(label="said", order_id="order"))
    with pytest.raises(BadTable, match=r"labels.csv: column order: expected ids of orders; none of 1 is"):
        read(tmp_path, how=how, labels=pd.DataFrame({"order": ["x9"], "said": [1]}))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_file_says_by_its_header_what_stands_between_its_columns(tmp_path, separator) -> None:
    path = tmp_path / "orders.csv"
    named = TABLE.rename(columns={"price": "المبلغ", "at": "التاريخ"})
    named.to_csv(path, index=False, sep=separator, decimal=",", encoding="utf-8-sig")
    how = layout({"occurred_at": "التاريخ", "amount": "المبلغ"}, decimal=",")
    assert read_orders(path, path, how, 0).amount.tolist() == pytest.approx([10.0, np.nan, 30.0], nan_ok=True)


def test_a_comma_for_a_point_is_told_of_where_numbers_are_expected(tmp_path) -> None:
    with pytest.raises(BadTable, match=r"column price: expected numbers, 3 of 3 are none; `decimal: ','`"):
        read(tmp_path, TABLE.assign(price=["1,5", "2,25", "3,0"]))
    assert read(tmp_path, TABLE.assign(price=["1,5", "2,25", "3,0"]), layout(decimal=",")).amount.tolist() == [
        2.25,
        3.0,
        1.5,
    ]


def test_times_may_be_written_in_a_way_of_their_own(tmp_path) -> None:
    table = TABLE.assign(at=["03/01/2026 00:00", "01/01/2026 00:00", "02/01/2026 12:00"])
    with pytest.raises(BadTable, match=r"others by time_format, as '%d/%m/%Y %H:%M'"):
        read(tmp_path, table)
    assert read(tmp_path, table, layout(time_format="%d/%m/%Y %H:%M")).occurred_at_ms[1] == JANUARY_MS + DAY_MS * 3 // 2
    with pytest.raises(BadTable, match=r"expected a time \(as %H:%M\) in every row; 3 of 3 have none"):
        read(tmp_path, table, layout(time_format="%H:%M"))


def test_times_that_are_texts_of_numbers_are_numbers(tmp_path) -> None:
    texts = TABLE.assign(at=[str(JANUARY_MS + n) for n in (2, 0, 1)])
    orders = read(tmp_path, texts, suffix="parquet")
    assert orders.occurred_at_ms.tolist() == [JANUARY_MS, JANUARY_MS + 1, JANUARY_MS + 2]
    assert "times are numbers without a time_unit: read as ms since 1970-01-01" in orders.notes


def test_days_written_as_eight_digits_are_days(tmp_path) -> None:
    orders = read(tmp_path, TABLE.assign(at=[20260103, 20260101, 20260102]))
    assert orders.occurred_at_ms.tolist() == [JANUARY_MS, JANUARY_MS + DAY_MS, JANUARY_MS + 2 * DAY_MS]
    assert "times are numbers without a time_unit: read as days, YYYYMMDD" in orders.notes


def test_na_is_a_country_and_a_word_but_nobody_and_no_number(tmp_path) -> None:
    table = TABLE.assign(buyer=["NA", "c-1", "null"], country=["NA", "SA", ""], price=["NA", "1", "2"], channel="NA")
    how = layout(COLUMNS | {"billing_country": "country"}, categories=("channel",))
    orders = read(tmp_path, table, how)
    assert orders.fields["customer_id"] == ["c-1", None, None]
    assert orders.fields["billing_country"] == ["SA", None, "NA"]
    assert orders.amount.tolist() == pytest.approx([1.0, 2.0, np.nan], nan_ok=True)
    assert orders.categories["channel"].tolist() == [0, 0, 0]


def test_a_category_of_ids_is_left_out_and_said(tmp_path) -> None:
    rows = 200
    table = pd.DataFrame(
        {
            "at": np.arange(rows) + 1_767_225_600,
            "price": 1.0,
            "fraud": np.arange(rows) % 10 == 0,
            "row": [f"r-{n}" for n in range(rows)],
            "half": [f"h-{n // 2}" for n in range(rows)],
        }
    )
    orders = read(tmp_path, table, layout({"occurred_at": "at", "amount": "price"}, categories=("row", "half")))
    assert list(orders.categories) == ["half"]
    assert "categories: row left out: nearly another word in every row, an id and no category" in orders.notes


def test_a_key_that_is_twice_in_a_mapping_is_refused_with_its_line(tmp_path) -> None:
    with pytest.raises(BadTable, match=r"mapping.yaml, line 3: expected YAML: amount is there twice"):
        mapped(tmp_path, "columns:\n  {occurred_at: at, amount: price,\n  amount: cost}\nlabels: {label: fraud}")


def test_a_separator_is_one_character(tmp_path) -> None:
    with pytest.raises(BadTable, match="separator: expected one character"):
        mapped(tmp_path, MINIMAL + "}\nseparator: '; '")


def test_a_time_may_be_of_several_columns(tmp_path) -> None:
    table = TABLE.assign(y=2026, m=1, d=[3, 1, 2], clock=["00:00", "00:00", "12:00"])
    how = layout(COLUMNS | {"occurred_at": ("y", "m", "d", "clock")}, time_format="%Y %m %d %H:%M")
    assert read(tmp_path, table, how).occurred_at_ms.tolist() == [
        JANUARY_MS,
        JANUARY_MS + DAY_MS * 3 // 2,
        JANUARY_MS + 2 * DAY_MS,
    ]


@pytest.mark.parametrize(
    ("prices", "amounts"),
    [
        (["$1,234.50", "$12.00", "$-3.25"], [12.0, -3.25, 1234.5]),
        (["1.234,50 SAR", "12,00 SAR", "3,25 SAR"], [12.0, 3.25, 1234.5]),
        (["٣٠", "١٢٫٥", "٢٠"], [12.5, 20.0, 30.0]),
    ],
)
def test_amounts_may_be_written_for_people(tmp_path, prices, amounts) -> None:
    assert read(tmp_path, TABLE.assign(price=prices)).amount.tolist() == amounts


def test_a_compressed_file_is_read_as_it_is(tmp_path) -> None:
    path = tmp_path / "orders.csv.gz"
    TABLE.to_csv(path, index=False)
    assert read_orders(path, path, layout(), 0).order_id == ["1", "2", "3"]
    path.write_bytes(b"no gzip")
    with pytest.raises(BadTable, match=r"expected a CSV \(UTF-8\) or Parquet table: BadGzipFile"):
        read_orders(path, path, layout(), 0)
