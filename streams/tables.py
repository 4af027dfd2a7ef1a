"""A table of orders from anywhere, and the mapping file that says which event field each of its columns is.

Every message names the file, the column and what was expected; none holds a value of the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from features.rates import RATES
from streams.cells import (
    CsvForm,
    TimeUnit,
    csv_form,
    known,
    numbers_of,
    origin_ms,
    read_table,
    texts_of,
    time_notes,
    times_of,
)
from streams.errors import BadTable

ENTITIES: Mapping[str, str] = {  # event field: the kind of entity that it names
    "customer_id": "customer", "psp_token": "card", "device_id": "device", "session_id": "session", "ip": "ip",
    "email": "email", "phone": "phone", "shipping_address": "address", "seller_id": "seller",
}  # fmt: skip
TEXTS = (
    "currency", "method", "account_id", "promo_code", "billing_address", "billing_country", "shipping_country",
    "issuer_country", "avs", "cvv_result", "three_ds", "name", "user_agent", "category",
)  # fmt: skip
NUMBERS = ("quantity", "lines", "max_unit", "is_gift")
FIELDS = ("occurred_at", "order_id", "amount", "amount_minor", *ENTITIES, *TEXTS, *NUMBERS)

_YES = frozenset(
    {"1", "1.0", "true", "t", "yes", "y", "fraud", "fraudulent", "chargeback", "confirmed", "نعم", "احتيال", "احتيالي"}
)
_COUNTRIES = frozenset({"billing_country", "shipping_country", "issuer_country"})
_WEEK_MS = 604_800_000
_MANY, _ID_SHARE = 100, 0.8  # a category of so many words that nearly every row has its own is an id


Form = TypeVar("Form")


class _Texts(yaml.SafeLoader):
    """Scalars stay the texts they are, `fraud: [1]`, `yes` and dates too; null alone is none."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag.endswith((":null", ":merge"))]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _once(loader: _Texts, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    """A mapping whose keys are all others: YAML's own takes the last of two and says nothing."""
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
        seen.add(key.value if isinstance(key.value, str) else "")
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


def _mapping(loader: _Texts, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    found: dict[Any, Any] = {}
    yield found
    found.update(_once(loader, node))


_Texts.add_constructor("tag:yaml.org,2002:map", _mapping)


class LabelColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of the labels: the order's id (none: a label stands in its order's row), what was found, and when.

    `fraud`: the values that mean fraud, as text; without it 1, true, yes, fraud and the like.
    """

    label: str
    order_id: str | None = None
    labelled_at: str | None = None
    fraud: tuple[str, ...] = ()


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file.

    `columns`: event field -> column, or for a text several, as of an address. `values`: event field -> what it is in
    every order. `numbers` and `categories`: columns that are no event field, passed on as they are. `time_unit` is for
    times that are numbers, counted from `time_origin`; `time_format` for texts that are not ISO 8601, as strftime has
    it. `separator` and `decimal` are a CSV file's: without the first, the one of `,;|` and tab that its header tells.
    """

    columns: dict[str, str | tuple[str, ...]]
    labels: LabelColumns
    values: dict[str, str] = {}
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    time_unit: TimeUnit | None = None
    time_origin: str = "1970-01-01"
    time_format: str | None = None
    separator: str | None = None
    decimal: Literal[".", ","] = "."

    def __post_init__(self) -> None:
        origin_ms(self.time_origin)
        _ = self.form

    @property
    def form(self) -> CsvForm:
        return csv_form(self.separator, self.decimal)

    def one(self, field: str) -> str | None:
        """The column of a field that has one at most."""
        column = self.columns.get(field)
        return column if column is None or isinstance(column, str) else column[0]

    def all_columns(self) -> Iterator[str]:
        for column in self.columns.values():
            yield from (column,) if isinstance(column, str) else column


class Orders(msgspec.Struct, frozen=True):
    """Orders by time. A label is 1, 0, or -1 where nothing was said; `labelled_at_ms` is when it became known.

    `fields` has the other event fields that are mapped, as text (None where absent) or numbers (NaN).
    """

    order_id: list[str]
    occurred_at_ms: NDArray[np.int64]
    amount: NDArray[np.float64]
    in_minor_units: bool
    currency: list[str | None]
    label: NDArray[np.int64]
    labelled_at_ms: NDArray[np.int64]
    fields: dict[str, list[Any]]
    numbers: dict[str, NDArray[np.float64]]
    categories: dict[str, NDArray[np.int64]]
    delay_ms: int
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.order_id)


def read_mapping(path: Path, form: type[Form]) -> Form:
    """A mapping file of a form whose scalars are texts. Raises BadTable for what is none."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Texts)  # noqa: S506  a SafeLoader
        return msgspec.convert(raw, form)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadTable(f"{path}, line {line}: expected YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError):
        raise BadTable(f"{path}: expected YAML: there is a character or a depth that it does not have") from None
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise BadTable(f"{path}: {error}") from None


def read_layout(path: Path) -> Layout:
    """Raises BadTable for what is no mapping."""
    layout = read_mapping(path, Layout)
    unknown = sorted({*layout.columns, *layout.values}.difference(FIELDS))
    if unknown:
        raise BadTable(f"{path}: no event field is called {', '.join(unknown)}; there are {', '.join(sorted(FIELDS))}")
    several = [
        field
        for field in ("order_id", "amount", "amount_minor", *NUMBERS)
        if isinstance(layout.columns.get(field, ""), tuple)
    ]
    if several:
        raise BadTable(f"{path}: expected one column for {', '.join(several)}")
    if "occurred_at" not in layout.columns:
        raise BadTable(f"{path}: expected a column for occurred_at")
    if ("amount" in layout.columns) == ("amount_minor" in layout.columns):
        raise BadTable(f"{path}: expected a column for amount (in whole units) or for amount_minor, and not both")
    _check_values(path, layout)
    return layout


def _check_values(path: Path, layout: Layout) -> None:
    own = sorted({"occurred_at", "order_id", "amount", "amount_minor", *layout.columns} & set(layout.values))
    if own:
        raise BadTable(f"{path}: values: expected {', '.join(own)} as a column, not as one value of every order too")
    for name in sorted(set(NUMBERS) & set(layout.values)):
        try:
            float(layout.values[name])
        except ValueError:
            raise BadTable(f"{path}: values: expected a number for {name}") from None


def read_orders(orders: Path, labels: Path, layout: Layout, delay_ms: int | None) -> Orders:
    """The orders with their labels, by time; labels without a time of their own are known `delay_ms` after the order.

    None is a week, or a tenth of the table's time if that is less.

    Raises BadTable.
    """
    if layout.labels.order_id is None and not labels.samefile(orders):
        raise BadTable(f"{labels}: expected labels.order_id in the mapping, since labels are in a file of their own")
    table = read_table(orders, [*layout.all_columns(), *layout.numbers, *layout.categories], layout.form)
    if table.empty:
        raise BadTable(f"{orders}: expected orders, found no row")
    moment, table = _moments(layout, table)
    given_times = table[moment]
    occurred_at_ms = times_of(orders, moment, table, layout)
    if delay_ms is None:
        delay_ms = min(_WEEK_MS, (int(occurred_at_ms.max()) - int(occurred_at_ms.min())) // 10)
    order_id = _order_ids(orders, layout, table)
    label, known_ms, notes = _labels(labels, layout, order_id, occurred_at_ms, delay_ms)
    by_time = np.argsort(occurred_at_ms, kind="stable")
    table = table.iloc[by_time]
    categories, ids = _categories(layout, table)
    fields = _fields(orders, layout, table)
    amount = numbers_of(orders, layout.one("amount") or layout.one("amount_minor") or "", table)
    currency = fields.pop("currency", [None] * len(table))
    return Orders(
        order_id=[order_id[row] for row in by_time],
        occurred_at_ms=occurred_at_ms[by_time],
        amount=amount,
        in_minor_units="amount_minor" in layout.columns,
        currency=currency,
        label=label[by_time],
        labelled_at_ms=known_ms[by_time],
        fields=fields,
        numbers={name: numbers_of(orders, name, table) for name in layout.numbers},
        categories=categories,
        delay_ms=delay_ms,
        notes=(*notes, *_money_notes(amount, currency), *time_notes(given_times, layout), *ids),
    )


def _moments(layout: Layout, table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """The column of the times, and the table with it: of a date and a time, say, one text."""
    column = layout.columns["occurred_at"]
    if isinstance(column, str):
        return column, table
    name = " ".join(column)
    return name, table.assign(**{name: _joined([texts_of(table[one]) for one in column])})


def _categories(layout: Layout, table: pd.DataFrame) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """A number for each word, -1 for none; and what is said of columns that are ids, of which nothing can be learned.

    Their share of fraud would be what the row itself brought, in all that is seen twice by chance.
    """
    found, ids = {}, []
    for name in layout.categories:
        codes, words = pd.factorize(texts_of(table[name]))
        there = int((codes >= 0).sum())
        if there >= _MANY and len(words) > _ID_SHARE * there:
            ids.append(name)
        else:
            found[name] = codes.astype(np.int64)
    said = f"categories: {', '.join(ids)} left out: nearly another word in every row, an id and no category"
    return found, (said,) if ids else ()


def _money_notes(amount: NDArray[np.float64], currency: Sequence[str | None]) -> Iterator[str]:
    """What is odd about the amounts: it would otherwise show in nothing but a poor result."""
    if negative := int((amount < 0).sum()):
        yield f"{negative:,} amounts are below zero: they count as zero"
    unrated = sum(not RATES.knows(code_of(text)) for text in currency)
    if unrated:
        yield f"{unrated:,} orders are in no currency that has a rate (ISO 4217): their amounts count in no sum"


def code_of(currency: str | None) -> str:
    """ISO 4217's code, as far as the table tells: US dollars where it says nothing."""
    return str(currency or "USD").strip().upper()


def _order_ids(path: Path, layout: Layout, table: pd.DataFrame) -> list[str]:
    column = layout.one("order_id")
    if column is None:
        return [str(row) for row in range(len(table))]
    found = texts_of(table[column])
    if found.isna().any():
        raise BadTable(f"{path}: column {column}: expected an id in every row; {int(found.isna().sum()):,} have none")
    if (twice := int(found.duplicated().sum())) > 0:
        raise BadTable(f"{path}: column {column}: expected each order once; {twice:,} rows repeat an earlier one's id")
    return list(found)


def _labels(
    path: Path, layout: Layout, order_id: list[str], occurred_at_ms: NDArray[np.int64], delay_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Of each order its label, when it became known, and what is to be said of the labels as a whole."""
    columns = layout.labels
    wanted = [name for name in (columns.label, columns.order_id, columns.labelled_at) if name is not None]
    table = read_table(path, wanted, layout.form)
    said = _said(path, columns, table)
    if columns.order_id is None:
        row = np.arange(len(table))
    else:
        row = pd.Index(order_id).get_indexer(texts_of(table[columns.order_id]).to_numpy(dtype=object))
    unknown = row < 0
    if unknown.all():
        raise BadTable(f"{path}: column {columns.order_id}: expected ids of orders; none of {len(row):,} is an order's")
    row, said = row[~unknown], said[~unknown]
    known = occurred_at_ms[row] + delay_ms
    if columns.labelled_at is not None:
        known = times_of(path, columns.labelled_at, table[~unknown], layout)
    early = known < occurred_at_ms[row]
    known = np.maximum(known, occurred_at_ms[row])
    label, labelled_at_ms = np.full(len(order_id), -1), occurred_at_ms + delay_ms
    by_time = np.argsort(known, kind="stable")  # of several labels of an order the last one counts
    label[row[by_time]], labelled_at_ms[row[by_time]] = said[by_time], known[by_time]
    notes = (
        (unknown.sum(), "labels name no order of the table: left out"),
        (early.sum(), "labels are from before their order: they count from the order's time"),
        ((label < 0).sum(), "orders have no label: they count as genuine"),
    )
    return label, labelled_at_ms, tuple(f"{int(count):,} {text}" for count, text in notes if count)


def _said(path: Path, columns: LabelColumns, table: pd.DataFrame) -> NDArray[np.int64]:
    given = known(table[columns.label])
    if given.isna().all():
        raise BadTable(f"{path}: column {columns.label}: expected labels, found none")
    fraud = {text.strip().lower() for text in columns.fraud} or _YES
    text = texts_of(given).str.strip().str.lower()
    if not text.isin(fraud).any():
        raise BadTable(
            f"{path}: column {columns.label}: none of {int(given.notna().sum()):,} labels means fraud; expected some "
            f"of {', '.join(sorted(fraud))}, or other values that labels.fraud of the mapping names"
        )
    return np.where(given.isna(), -1, text.isin(fraud).astype(int)).astype(np.int64)


def _fields(path: Path, layout: Layout, table: pd.DataFrame) -> dict[str, list[Any]]:
    fields: dict[str, list[Any]] = {
        name: [float(value) if name in NUMBERS else value] * len(table) for name, value in layout.values.items()
    }
    for name, column in layout.columns.items():
        if name in NUMBERS:
            fields[name] = numbers_of(path, layout.one(name) or "", table).tolist()
        elif name in ENTITIES or name in TEXTS:
            parts = [texts_of(table[one]) for one in ([column] if isinstance(column, str) else column)]
            text = _joined(parts if name in _COUNTRIES else [known(part) for part in parts])
            fields[name] = text.astype(object).where(text.notna(), None).tolist()
    return fields


def _joined(texts: Sequence[pd.Series]) -> pd.Series:
    """One text; absent where a part is."""
    whole = texts[0]
    for part in texts[1:]:
        whole = whole + " " + part
    return whole
