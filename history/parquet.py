"""Training tables as Parquet files, the exchange format of other tools.

The file's metadata names the definitions' hash under `amana.definitions`.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from history.errors import ForeignFile

_HASH = b"amana.definitions"
_ROWS = 20_000  # of a file at once


class Writer:
    """Writes a file part by part, whole or not at all: it is there once the context ends without an error."""

    def __init__(self, path: Path, schema: pa.Schema, definitions: str) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {**(schema.metadata or {}), _HASH: definitions.encode()}
        self.schema = schema.with_metadata(named)
        self._file = pyarrow.parquet.ParquetWriter(self._temporary, self.schema, compression="zstd")

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


def read(path: Path, definitions: str, narrow_over_bytes: int | None = None) -> pd.DataFrame:
    """A training table, an order without a label as genuine.

    One larger than `narrow_over_bytes` has its numbers of double precision in single, part by part: half the memory,
    and none for a second copy.

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
        narrow = narrow_over_bytes is not None and _bytes(file) > narrow_over_bytes
        table = _narrow(file) if narrow else file.read().to_pandas()
    table["label"] = table["label"].fillna(0).astype("int64")
    return table


def _bytes(file: pyarrow.parquet.ParquetFile) -> int:
    """What the file's numbers take in memory, about."""
    return 8 * int(file.metadata.num_rows) * int(file.metadata.num_columns)


def _narrow(file: pyarrow.parquet.ParquetFile) -> pd.DataFrame:
    schema = pa.schema(
        [field.with_type(pa.float32()) if field.type == pa.float64() else field for field in file.schema_arrow]
    )
    parts = [pa.Table.from_batches([batch]).cast(schema) for batch in file.iter_batches(_ROWS)]
    table = pa.concat_tables(parts) if parts else schema.empty_table()
    del parts
    return table.to_pandas(split_blocks=True, self_destruct=True)  # each column leaves one form as it gets the other
