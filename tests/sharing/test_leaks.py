"""Nothing of an order's strings leaves but what a contract names; and what would leak is found."""

import pytest

from tests.sharing.leaking import checked
from tests.sharing.planted import PLANTS


def test_no_canary_leaves_by_any_way_under_contracts_as_they_are_and_mutated() -> None:
    found = checked(seed=1, orders=150, mutated=5, seal_every=20)
    assert found.findings() == {}
    assert found.checked > 900
    ways = {"payload", "sealed", "header", "plaintext", "topic", "error", "metrics"}
    assert {way for way, seen in found.watch.bytes_seen.items() if seen} >= ways


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_leak_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS[plant](monkeypatch)
    assert checked(seed=2, orders=60, mutated=1, seal_every=5, compare_every=1, spoil_every=10).findings()


def test_at_least_ten_different_leaks_are_planted() -> None:
    assert len(PLANTS) >= 20
