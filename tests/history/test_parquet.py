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


def test_a_large_table_has_its_features_in_single_precision_and_a_small_one_as_they_are(tmp_path):
    path = tmp_path / "training.parquet"
    table = pd.DataFrame(
        {"card.age_s": [0.1, float("nan"), 3.0], "decision_id": ["a", "b", "c"], "labelled_at_ms": [1e15 + 1, 1.0, 2.0],
         "label": [0, 1, 0]}
    )  # fmt: skip
    parquet.write(table, path, "d")
    bytes_held = 8 * 3 * 4
    assert parquet.read(path, "d", ["card.age_s"], bytes_held)["card.age_s"].dtype == "float64"
    narrow = parquet.read(path, "d", ["card.age_s"], bytes_held - 1)
    pd.testing.assert_frame_equal(narrow, table.astype({"card.age_s": "float32"}))
