"""Training tables as Parquet files, the exchange format of other tools."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet


def write(table: pd.DataFrame, path: Path, definitions: str) -> None:
    """Writes whole or not at all; the file's metadata names the definitions' hash under `amana.definitions`."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    named = {**(arrow.schema.metadata or {}), b"amana.definitions": definitions.encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    pyarrow.parquet.write_table(arrow.replace_schema_metadata(named), temporary, compression="zstd")
    temporary.replace(path)
