"""A table's cells: times, numbers and texts as people and programs write them; and the files that hold them.

Every message names the file, the column and what was expected; none holds a value of the table.
"""

import csv
import gzip
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from streams.errors import BadTable

TimeUnit = Literal["ns", "us", "ms", "s", "min", "h", "d"]
_UNITS_MS: Mapping[str, float] = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7}
_YEAR_2100_S = 4_102_444_800
# What stands for nothing. NA is Namibia too, and a word that shops use: where a country or a category is.
_ABSENT = frozenset({"", "#N/A", "#NA", "N/A", "n/a", "nan", "NaN", "-nan", "-NaN", "NULL", "null", "None", "<NA>"})
_NA = "NA"
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٫", "01234567890123456789.", "٬")
_CURRENCY = r"^(?:[A-Z]{3}|[$€£¥﷼])\s*(?=[-\d.])|(?<=\d)\s*(?:[A-Z]{3}|[$€£¥﷼])$"
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_370_764_800_000  # the years 1 to 9998, which can be written down


class Timed(Protocol):
    """How a mapping says that times are written."""

    @property
    def time_unit(self) -> TimeUnit | None: ...
    @property
    def time_origin(self) -> str: ...
    @property
    def time_format(self) -> str | None: ...


class CsvForm(NamedTuple):
    """How a CSV file is written; a separator that is None is told by its first line."""

    separator: str | None = None
    decimal: str = "."


def csv_form(separator: str | None, decimal: str) -> CsvForm:
    """Of a mapping. Raises ValueError for a separator that is none."""
    if separator is not None and len(separator) != 1:
        raise ValueError("separator: expected one character, as ';'")
    return CsvForm(separator, decimal)


def origin_ms(text: str) -> float:
    """Of a mapping's `time_origin`, UTC where it says no zone. Raises ValueError for what is no date."""
    try:
        return float(pd.Timestamp(text, tz="UTC").timestamp()) * 1000
    except (ValueError, TypeError, OverflowError):
        raise ValueError("time_origin: expected a date, as 1899-12-30") from None


def read_table(path: Path, columns: Iterable[str], form: CsvForm = CsvForm()) -> pd.DataFrame:  # noqa: B008
    """The columns of a CSV or Parquet file. Raises BadTable if it is none of these, or lacks one."""
    wanted = list(dict.fromkeys(columns))
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            _check_columns(path, wanted, parquet.read_schema(path).names)
            return parquet.read_table(path, columns=wanted).to_pandas()
        return _read_csv(path, wanted, form)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pd.errors.ParserError,
        UnicodeDecodeError,
        csv.Error,
        gzip.BadGzipFile,
        zlib.error,
    ) as error:
        raise BadTable(f"{path}: expected a CSV (UTF-8) or Parquet table: {type(error).__name__}") from None


def _read_csv(path: Path, wanted: list[str], form: CsvForm) -> pd.DataFrame:
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as opened:
        first = opened.readline()
    separators = [form.separator] if form.separator else list(_SEPARATORS)
    headers = {separator: next(csv.reader([first], delimiter=separator), []) for separator in separators}
    separator = max(separators, key=lambda one: len(set(headers[one]) & set(wanted)))
    header = headers[separator]
    if not set(header) & set(wanted):  # then it is perhaps no header but a row, whose values are nobody's business
        raise BadTable(
            f"{path}: expected the columns' names in the first line, {_named(separators)} between them; it has none of "
            f"{', '.join(wanted)}"
        )
    _check_columns(path, wanted, header)
    with warnings.catch_warnings():  # a separator at the end of each line is no column, and moves none
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            usecols=wanted,
            sep=separator,
            decimal=form.decimal,
            low_memory=False,
            encoding="utf-8-sig",
            index_col=False,
            keep_default_na=False,
            na_values=list(_ABSENT),
        )[wanted]


def _named(separators: Sequence[str]) -> str:
    return " or ".join(_SEPARATORS.get(one, repr(one)) for one in separators)


def time_notes(given: pd.Series, layout: Timed) -> Iterator[str]:
    """How times were read that are numbers without a unit: days since 1900 pass for seconds of one day in 1970."""
    given = _numbered(given) if layout.time_format is None else given
    if _is_days(given, layout):
        yield "times are numbers without a time_unit: read as days, YYYYMMDD"
    elif layout.time_unit is None and layout.time_format is None and _is_number(given):
        yield f"times are numbers without a time_unit: read as {_unit(given, layout)} since {layout.time_origin}"


def _check_columns(path: Path, wanted: list[str], there: list[str]) -> None:
    if missing := [column for column in wanted if column not in there]:
        raise BadTable(f"{path}: no column {', '.join(missing)}; there are {', '.join(there)}")
    if twice := sorted({column for column in wanted if there.count(column) > 1}):
        raise BadTable(f"{path}: the column {', '.join(twice)} is there twice")


def times_of(path: Path, column: str, table: pd.DataFrame, layout: Timed) -> NDArray[np.int64]:
    """Milliseconds since 1970."""
    given = _numbered(table[column]) if layout.time_format is None else table[column]
    if _is_days(given, layout):
        given = pd.to_datetime(given.astype("int64").astype("string"), format="%Y%m%d")
    if _is_number(given) and layout.time_format is None:
        numbers = given.to_numpy(dtype=np.float64, na_value=np.nan)
        found = numbers * _UNITS_MS[_unit(given, layout)] + origin_ms(layout.time_origin)
    else:
        form = None if _is_time(given) else layout.time_format or "ISO8601"
        texts = given if form in {None, "ISO8601"} else texts_of(given)
        moments = pd.to_datetime(texts, utc=True, errors="coerce", format=form)
        found = np.where(moments.isna(), np.nan, moments.astype("datetime64[us, UTC]").astype("int64") / 1e3)
    wrong = np.flatnonzero(~((found >= _FIRST_MS) & (found < _LAST_MS)))
    if len(wrong):
        raise BadTable(
            f"{path}: column {column}: expected a time ({_expected_time(layout)}) in every row; {len(wrong):,} of "
            f"{len(found):,} have none, the first in row {wrong[0] + 1:,}"
        )
    return np.asarray(np.floor(found), dtype=np.int64)


def _expected_time(layout: Timed) -> str:
    if layout.time_format is not None:
        return f"as {layout.time_format}"
    return "ISO 8601, UTC, or a number; others by time_format, as '%d/%m/%Y %H:%M'"


def _numbered(given: pd.Series) -> pd.Series:
    """Texts that are numbers throughout, as numbers."""
    if _is_number(given) or _is_time(given) or pd.api.types.is_bool_dtype(given):
        return given
    numbers = pd.to_numeric(given, errors="coerce")
    return numbers if numbers.notna().any() and numbers.notna().equals(given.notna()) else given


def _is_days(given: pd.Series, layout: Timed) -> bool:
    """Whether they are days written as 20260301: as seconds they would all be one summer of 1970."""
    if layout.time_unit is not None or layout.time_format is not None or not _is_number(given) or given.isna().any():
        return False
    if not given.between(19_000_101, 21_001_231).all() or not (given % 1 == 0).all():
        return False
    return bool(pd.to_datetime(given.astype("int64").astype("string"), format="%Y%m%d", errors="coerce").notna().all())


def _is_number(given: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(given) and not pd.api.types.is_bool_dtype(given))


def _unit(given: pd.Series, layout: Timed) -> TimeUnit:
    """Of times that are numbers: what the mapping says, else the largest unit in which all are before 2100."""
    if layout.time_unit is not None:
        return layout.time_unit
    numbers = given.to_numpy(dtype=np.float64, na_value=np.nan)
    largest = np.nanmax(numbers) if np.isfinite(numbers).any() else 0.0
    if largest < _YEAR_2100_S:
        return "s"
    return "ms" if largest < _YEAR_2100_S * 1e3 else "us" if largest < _YEAR_2100_S * 1e6 else "ns"


def _is_time(given: pd.Series) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(given))


def numbers_of(path: Path, column: str, table: pd.DataFrame) -> NDArray[np.float64]:
    given = table[column]
    given = _plain(known(given))
    found = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = int((np.isnan(found) & given.notna().to_numpy()).sum())
    if wrong:
        raise BadTable(
            f"{path}: column {column}: expected numbers, {wrong:,} of {len(found):,} are none{_comma_hint(given)}"
        )
    return np.where(np.isfinite(found), found, np.nan)


def known(given: pd.Series) -> pd.Series:
    """Without what says NA: where it is neither a country nor a category it stands for nothing."""
    if _is_number(given) or pd.api.types.is_bool_dtype(given) or _is_time(given):
        return given
    return given.mask(given.astype("string").str.strip() == _NA)


def _plain(given: pd.Series) -> pd.Series:
    """Texts of numbers as programs write them: without a currency, without points or commas between thousands.

    A comma is taken for one of these only where a point follows it in some value of the column, and so of points.
    """
    if _is_number(given) or pd.api.types.is_bool_dtype(given) or _is_time(given):
        return given
    texts = given.astype("string").str.strip().str.translate(_DIGITS).str.replace(_CURRENCY, "", regex=True)
    if texts.str.contains(r"\d,\d{3}\.\d", regex=True).any():
        return texts.str.replace(",", "", regex=False)
    if texts.str.contains(r"\d\.\d{3},\d", regex=True).any():
        return texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return texts


def _comma_hint(given: pd.Series) -> str:
    """Where they would be with a comma for a point."""
    texts = given.dropna().astype("string")
    commas = pd.to_numeric(texts.str.replace(",", "."), errors="coerce").notna()
    return "; `decimal: ','` in the mapping reads 12,50 as twelve and a half" if commas.all() else ""


def texts_of(given: pd.Series) -> pd.Series:
    """As text; whole numbers without the point that a missing neighbour gives them."""
    if pd.api.types.is_float_dtype(given) and given.dropna().mod(1).eq(0).all():
        given = given.astype("Int64")
    return given.astype("string")
