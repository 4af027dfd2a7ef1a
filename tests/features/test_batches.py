from features.batches import key, shard_of


def test_an_entity_keeps_its_shard_for_ever() -> None:
    pseudonyms = ["AAAAAAAAAAAAAAAAAAAAAA", "q83vEjRWeJCrze8SNFZ4kA", "_____________________w"]
    assert [shard_of(p, 4) for p in pseudonyms] == [0, 3, 1]
    assert [shard_of(p, 1) for p in pseudonyms] == [0, 0, 0]


def test_shards_get_about_equal_parts() -> None:
    of_each = [0] * 4
    for n in range(10_000):
        of_each[shard_of(f"{n:022d}", 4)] += 1
    assert all(2_300 < part < 2_700 for part in of_each)


def test_a_key_names_its_shard_kind_and_pseudonym() -> None:
    assert key(3, "card", "AAAAAAAAAAAAAAAAAAAAAA") == "{s03}card:AAAAAAAAAAAAAAAAAAAAAA"
