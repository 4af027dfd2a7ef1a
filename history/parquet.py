"""Training tables as Parquet files, the exchange format of other tools.

The file's metadata names the definitions' hash under `amana.definitions`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from history.errors import ForeignFile, Unwritable

_HASH = b"amana.definitions"
_LARGE_BYTES = 2**30
_COLUMNS = 16  # of a file at once


class Writer:
    """Writes a file part by part, whole or not at all: it is there once the context ends without an error.

    Raises Unwritable at once where there can be none.
    """

    def __init__(self, path: Path, schema: pa.Schema, definitions: str) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part")
        named = {**(schema.metadata or {}), _HASH: definitions.encode()}
        self.schema = schema.with_metadata(named)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = pyarrow.parquet.ParquetWriter(self._temporary, self.schema, compression="zstd")
        except OSError as error:
            raise Unwritable(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from None

    def write(self, part: pa.Table) -> None:
        """A part with the schema's columns."""
        self._file.write_table(part.cast(self.schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._file.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink()


def write(table: pd.DataFrame, path: Path, definitions: str) -> None:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    with Writer(path, arrow.schema, definitions) as writer:
        writer.write(arrow)


def read(path: Path, definitions: str, features: Sequence[str] = (), large_bytes: int = _LARGE_BYTES) -> pd.DataFrame:
    """A training table, an order without a label as genuine.

    One larger than `large_bytes` has the `features` in single precision: half the memory, and none for a second copy.

    Raises ForeignFile for what is none, or is one of other definitions.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pa.ArrowInvalid:
        raise ForeignFile(f"{path}: expected a Parquet file") from None
    with file:
        found = (file.schema_arrow.metadata or {}).get(_HASH, b"none").decode(errors="replace")
        if found != definitions:
            raise ForeignFile(f"{path} holds vectors of definitions {found}, expected {definitions}: backfill it again")
        table = _narrow(file, frozenset(features)) if _bytes(file) > large_bytes else file.read().to_pandas()
    table["label"] = table["label"].fillna(0).astype("int64")
    return table


def _bytes(file: pyarrow.parquet.ParquetFile) -> int:
    """What the file's numbers take in memory, about."""
    return 8 * int(file.metadata.num_rows) * int(file.metadata.num_columns)


def _narrow(file: pyarrow.parquet.ParquetFile, features: frozenset[str]) -> pd.DataFrame:
    """A few columns at a time, each an array of its own: no more than these are ever there twice."""
    names = file.schema_arrow.names
    columns: dict[str, Any] = {}
    for start in range(0, len(names), _COLUMNS):
        part = file.read(columns=names[start : start + _COLUMNS]).to_pandas()
        columns |= {name: part[name].astype("float32") if name in features else part[name] for name in part}
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)
