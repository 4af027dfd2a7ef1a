"""A wait drawn for each first message, so that two partners who are told of one moment do not hear at one."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from sharing.delivery import outbox
from sharing.tables import outbox as rows
from sharing.tokens import Opener
from tests.sharing import sealed
from tests.sharing.projected import CONTRACTS, NOW_MS, PRIVATE, Desk

CASE = "topic:0:17"
ACQUIRER = msgspec.structs.replace(CONTRACTS["acquirer"], jitter_s=600)
CARRIER = msgspec.structs.replace(CONTRACTS["carrier"], jitter_s=3600)
DISPUTES = msgspec.structs.replace(
    CONTRACTS["acquirer"], purpose="dpv:DisputeManagement", trigger="confirmed", jitter_s=600
)


class Draws:
    """Gives the waits in turn, and notes of up to what."""

    def __init__(self, *waits_ms: int) -> None:
        self.waits_ms, self.asked = list(waits_ms), list[int]()

    def __call__(self, most_ms: int) -> int:
        self.asked.append(most_ms)
        return self.waits_ms.pop(0)


def waits(desk: Desk) -> dict[str, list[int]]:
    """By partner, how long each of its messages in the outbox still waits, in the order in which they were made."""
    found: dict[str, list[int]] = {}
    for row in desk.rows("sharing_outbox", "place"):
        found.setdefault(row["partner"], []).append(row["next_at_ms"] - desk.clock[0])
    return found


def kinds(desk: Desk) -> list[tuple[str, str]]:
    """Of the messages that will be sent."""
    left = {row["jti"] for row in desk.rows("sharing_outbox")}
    return [(row["partner"], row["kind"]) for row in desk.rows("sharing_disclosures", "place") if row["jti"] in left]


def sent(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(sa.update(rows).values(attempts=1, next_at_ms=outbox.SENT))


def test_each_first_message_waits_for_a_time_of_its_own(engine: sa.Engine) -> None:
    draws = Draws(250_000, 1_700_000)
    desk = Desk(engine, contracts=[ACQUIRER, CARRIER], draw=draws)
    desk.run("flagged", CASE)
    assert draws.asked == [600_000, 3_600_000]
    assert waits(desk) == {"acquirer": [250_000], "carrier": [1_700_000]}
    with engine.connect() as connection:
        due = [outbox.due(connection, NOW_MS + at) for at in (249_999, 250_000, 1_700_000)]
    assert due == [frozenset(), {"acquirer"}, {"acquirer", "carrier"}]


def test_a_tokens_time_is_that_from_which_it_may_leave(engine: sa.Engine) -> None:
    desk = Desk(engine, contracts=[ACQUIRER, CARRIER], draw=Draws(250_000, 1_700_000))
    desk.run("flagged", CASE)
    assert [_issued_s(desk, name) - NOW_MS // 1000 for name in ("acquirer", "carrier")] == [250, 1700]


def _issued_s(desk: Desk, partner: str) -> int:
    opener = Opener(PRIVATE[partner], sealed.JWKS, issuer=sealed.ISSUER, audience=partner)
    (body,) = [bytes(row["sealed"]) for row in desk.rows("sharing_outbox") if row["partner"] == partner]
    return opener.open(body).issued_at_s


def test_without_jitter_nothing_is_drawn_and_nothing_waits(engine: sa.Engine) -> None:
    desk = Desk(engine, contracts=[CONTRACTS["acquirer"], CONTRACTS["carrier"]], draw=Draws())
    desk.run("flagged", CASE)
    assert waits(desk) == {"acquirer": [0], "carrier": [0]}


@pytest.mark.parametrize("kind", ["cleared", "erased", "corrected"])
def test_what_follows_a_message_that_still_waits_waits_for_the_rest_and_comes_in_its_place(
    engine: sa.Engine, kind: Any
) -> None:
    desk = Desk(engine, contracts=[ACQUIRER], draw=Draws(250_000))
    desk.run("flagged", CASE)
    desk.clock[0] += 100_000
    desk.run(kind, CASE)
    assert waits(desk) == {"acquirer": [150_000]}
    expected = {"cleared": "withdrawal", "erased": "deletion", "corrected": "correction"}[kind]
    assert kinds(desk) == [("acquirer", expected)]


@pytest.mark.parametrize("kind", ["cleared", "erased", "corrected"])
def test_what_follows_a_message_that_has_left_waits_for_nothing(engine: sa.Engine, kind: Any) -> None:
    desk = Desk(engine, contracts=[ACQUIRER], draw=Draws(250_000))
    desk.run("flagged", CASE)
    sent(desk)
    desk.run(kind, CASE)
    assert waits(desk)["acquirer"][-1] == 0


def test_a_cases_messages_keep_their_order_whatever_is_drawn(engine: sa.Engine) -> None:
    desk = Desk(engine, contracts=[ACQUIRER, DISPUTES], draw=Draws(500_000, 0))
    desk.run("flagged", CASE)
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    desk.run("confirmed", CASE)
    assert waits(desk) == {"acquirer": [500_000, 500_000]}


def test_another_cases_messages_are_not_waited_for(engine: sa.Engine) -> None:
    desk = Desk(engine, contracts=[ACQUIRER], draw=Draws(500_000, 0))
    desk.run("flagged", CASE)
    desk.run("flagged", "topic:0:18")
    assert waits(desk) == {"acquirer": [500_000, 0]}
