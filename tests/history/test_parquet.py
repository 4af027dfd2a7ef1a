import pandas as pd
import pyarrow.parquet
import pytest

from history import parquet


def test_a_training_table_survives_parquet_and_names_its_definitions(tmp_path):
    table = pd.DataFrame({"card.age_s": [1.5, float("nan")], "decision_id": ["a", "b"], "label": [0, 1]})
    path = tmp_path / "new" / "training.parquet"
    parquet.write(table, path, "d" * 32)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert pyarrow.parquet.read_schema(path).metadata[b"amana.definitions"] == b"d" * 32
    assert [file.name for file in path.parent.iterdir()] == ["training.parquet"]


def test_a_file_that_is_not_written_to_its_end_is_not_there(tmp_path):
    path = tmp_path / "training.parquet"
    schema = pyarrow.schema([("label", pyarrow.int8())])
    with pytest.raises(KeyError), parquet.Writer(path, schema, "d") as writer:
        writer.write(pyarrow.table({"label": [1]}).select(["nothing"]))
    assert list(tmp_path.iterdir()) == []


def test_parts_are_one_table_and_an_order_without_a_label_is_read_as_genuine(tmp_path):
    path = tmp_path / "training.parquet"
    with parquet.Writer(path, pyarrow.schema([("label", pyarrow.int8())]), "d") as writer:
        for part in ([1, None], [0]):
            writer.write(pyarrow.table({"label": part}))
    assert pyarrow.parquet.read_table(path)["label"].to_pylist() == [1, None, 0]
    assert parquet.read(path, "d")["label"].to_list() == [1, 0, 0]
