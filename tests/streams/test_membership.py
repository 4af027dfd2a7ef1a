"""A worker whose group forgot it joins again only where nobody took its place; a coordinator that fails is heard of."""

import asyncio
from collections.abc import Mapping

import pytest
from kafka.errors import KafkaConnectionError

from events import admin
from streams.errors import Replaced
from streams.membership import check_place, watch_over


class Coordinator:
    """aiokafka's, as far as it is watched: `joins` are the ids that joining gives it, one after another."""

    def __init__(self, *joins: str, fails: bool = False) -> None:
        self.member_id = ""
        self._joins = list(joins)
        self._coordination_task = asyncio.ensure_future(self._coordinate(fails))

    async def _coordinate(self, fails: bool) -> None:
        assert not fails, "Did we not perform bootstrap?"

    async def ensure_active_group(self, subscription: str) -> str:
        self.member_id = self._joins.pop(0)
        return subscription


def heard(*joins: str, forgotten_after: int = 99, fails: bool = False) -> tuple[list[str], list[str]]:
    """The members that were lost, and the failures that were told of, over so many joins."""
    lost: list[str] = []
    failures: list[str] = []

    async def note(member: str) -> None:
        lost.append(member)

    async def join() -> None:
        coordinator = Coordinator(*joins, fails=fails)
        watch_over(coordinator, note, lambda error: failures.append(type(error).__name__))
        for count in range(len(joins)):
            if count >= forgotten_after:
                coordinator.member_id = ""
            assert await coordinator.ensure_active_group("all") == "all"
        await asyncio.sleep(0)

    asyncio.run(join())
    return lost, failures


def test_a_first_join_and_a_rebalance_lose_nobody() -> None:
    assert heard("a-1", "a-1", "a-1") == ([], [])


def test_who_was_forgotten_is_told_of_before_it_joins_again() -> None:
    assert heard("a-1", "a-2", "a-3", forgotten_after=1) == (["a-1", "a-2"], [])


def test_who_does_not_get_in_again_at_once_is_told_of_once() -> None:
    assert heard("a-1", "", "", "a-2", forgotten_after=1) == (["a-1"], [])


def test_a_coordinator_that_fails_is_heard_of() -> None:
    assert heard("a-1", fails=True) == ([], ["AssertionError"])


def check(monkeypatch: pytest.MonkeyPatch, members: Mapping[str, str] | Exception) -> None:
    def answer(_: str, __: str) -> Mapping[str, str]:
        if isinstance(members, Exception):
            raise members
        return members

    monkeypatch.setattr(admin, "members", answer)
    asyncio.run(check_place("b", "amana.intake", "intake-0", "intake-0-old"))


@pytest.mark.parametrize("members", [{}, {"intake-1": "x"}, {"intake-0": "intake-0-old"}, KafkaConnectionError()])
def test_a_place_that_nobody_took_is_gone_back_to(
    monkeypatch: pytest.MonkeyPatch, members: Mapping[str, str] | Exception
) -> None:
    check(monkeypatch, members)


def test_a_place_that_another_took_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Replaced, match=r"another process is intake-0 of group amana\.intake now; expected one"):
        check(monkeypatch, {"intake-0": "intake-0-new"})
