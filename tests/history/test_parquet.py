import pandas as pd
import pyarrow.parquet

from history import parquet


def test_a_training_table_survives_parquet_and_names_its_definitions(tmp_path):
    table = pd.DataFrame({"card.age_s": [1.5, float("nan")], "decision_id": ["a", "b"], "label": [0, 1]})
    path = tmp_path / "new" / "training.parquet"
    parquet.write(table, path, "d" * 32)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert pyarrow.parquet.read_schema(path).metadata[b"amana.definitions"] == b"d" * 32
    assert [file.name for file in path.parent.iterdir()] == ["training.parquet"]
