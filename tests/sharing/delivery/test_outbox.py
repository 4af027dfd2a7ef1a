import threading

import pytest
import sqlalchemy as sa

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery import allowances, outbox
from sharing.delivery.disclosures import delivered
from sharing.delivery.limits import Limits
from sharing.errors import DeliveryError
from tests.sharing.delivery.fakes import CONTRACT, LIMITS, NOW_MS, SCHEDULE, Desktop, jti

HOUR_MS = 3_600_000


@pytest.fixture
def desktop(engine: sa.Engine) -> Desktop:
    return Desktop(engine)


def test_a_claimed_message_is_due_again_when_its_lease_is_over(desktop: Desktop) -> None:
    desktop.tell(1)
    (parcel,) = desktop.claim().parcels
    assert (parcel.jti, parcel.partner, parcel.sealed, parcel.attempts) == (jti(1), "acquirer", b"sealed-1", 1)
    assert desktop.claimed(now_ms=NOW_MS + SCHEDULE.lease_ms - 1) == []
    (again,) = desktop.claim(now_ms=NOW_MS + SCHEDULE.lease_ms).parcels
    assert (again.jti, again.sealed, again.attempts) == (jti(1), b"sealed-1", 2)


def test_messages_go_in_the_order_in_which_they_were_put_urgent_ones_first(desktop: Desktop) -> None:
    for number in (1, 2, 3):
        desktop.tell(number)
    desktop.tell(4, kind="withdrawal", supersedes=2)
    assert desktop.claimed() == [jti(4), jti(1), jti(3)]


def test_each_partner_has_its_own_messages(desktop: Desktop) -> None:
    desktop.tell(1, partner="agency")
    with desktop.engine.connect() as connection:
        assert outbox.due(connection, NOW_MS) == {"agency"}
    assert desktop.claimed() == []
    assert desktop.claimed(partner="agency") == [jti(1)]


def test_what_the_ledger_does_not_hold_is_never_handed_out(desktop: Desktop) -> None:
    desktop.tell(1, ledgered=False)
    desktop.tell(2)
    claimed = desktop.claim()
    assert ([parcel.jti for parcel in claimed.parcels], claimed.unledgered) == ([jti(2)], (jti(1),))
    assert desktop.claim(now_ms=NOW_MS + HOUR_MS).unledgered == ()
    with desktop.engine.begin() as connection:
        assert [(dead.jti, dead.reason) for dead in outbox.dead_letters(connection)] == [(jti(1), "unledgered")]
        with pytest.raises(DeliveryError, match="the ledger does not hold this message"):
            outbox.retry(connection, jti(1), NOW_MS)


def test_the_rate_holds_ordinary_messages_back_and_no_urgent_one(desktop: Desktop) -> None:
    limits = Limits(per_minute=2, per_day=100)
    for number in range(1, 6):
        desktop.tell(number)
    assert desktop.claimed(limits=limits) == [jti(1), jti(2)]
    desktop.tell(6, kind="deletion", supersedes=5)
    assert desktop.claimed(limits=limits) == [jti(6)]
    assert desktop.claimed(limits=limits, now_ms=NOW_MS + 30_000) == [jti(3)]


def test_a_full_day_holds_new_messages_back_and_lets_repeats_pass(desktop: Desktop) -> None:
    limits = Limits(per_minute=600, per_day=2)
    for number in (1, 2, 3):
        desktop.tell(number)
    assert desktop.claimed(limits=limits) == [jti(1), jti(2)]
    assert desktop.claimed(limits=limits, now_ms=NOW_MS + HOUR_MS) == [jti(1), jti(2)]
    assert desktop.claimed(limits=limits, now_ms=NOW_MS + 24 * HOUR_MS) == [jti(1), jti(2), jti(3)]


def test_a_partners_own_limit_goes_before_the_default(desktop: Desktop) -> None:
    for number in (1, 2, 3):
        desktop.tell(number)
    with desktop.engine.begin() as connection:
        allowances.limit(connection, "acquirer", 1, None)
        assert allowances.limits_of(connection, "acquirer", LIMITS) == Limits(1, LIMITS.per_day)
    assert desktop.claimed() == [jti(1)]


def test_a_paused_partner_gets_urgent_messages_alone(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2)
    with desktop.engine.begin() as connection:
        assert allowances.pause(connection, "acquirer", "sara", NOW_MS)
        assert not allowances.pause(connection, "acquirer", "omar", NOW_MS + 1)
        assert allowances.paused(connection)["acquirer"] == ("acquirer", NOW_MS, "sara")
    desktop.tell(3, kind="withdrawal", supersedes=1)
    assert desktop.claimed() == [jti(3)]
    with desktop.engine.begin() as connection:
        assert allowances.resume(connection, "acquirer")
        assert not allowances.resume(connection, "acquirer")
    assert desktop.claimed() == [jti(2)]


def test_what_a_contract_that_ended_told_waits_and_what_takes_it_back_leaves(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2)
    desktop.tell(3, kind="withdrawal", supersedes=1)
    ended = [CONTRACT]
    desk = desktop.desk(silent=lambda now_ms: ended if now_ms == NOW_MS else ())
    assert [parcel.jti for parcel in desk.claim("acquirer", 10).parcels] == [jti(3)]
    ended[:] = [b"another".ljust(32)]
    assert [parcel.jti for parcel in desk.claim("acquirer", 10).parcels] == [jti(2)]


def test_a_failed_message_waits_longer_each_time_and_is_dead_after_three_days(desktop: Desktop) -> None:
    desktop.tell(1)
    now_ms, waits = NOW_MS, []
    for _ in range(1_000):
        (parcel,) = desktop.claim(now_ms=now_ms).parcels
        with desktop.engine.begin() as connection:
            if outbox.failed(connection, parcel, SCHEDULE, now_ms, lambda: 1.0):
                break
            next_ms = connection.scalar(sa.text("SELECT next_at_ms FROM sharing_outbox"))
        waits.append(next_ms - now_ms)
        now_ms = next_ms
    assert waits[:11] == [1_000 * 2**n for n in range(10)] + [900_000]
    assert set(waits[11:]) == {900_000}
    assert 0 <= now_ms - NOW_MS - 72 * HOUR_MS < 900_000
    with desktop.engine.begin() as connection:
        assert [(dead.jti, dead.reason) for dead in outbox.dead_letters(connection)] == [(jti(1), "gave_up")]
        outbox.retry(connection, jti(1), now_ms)
    assert desktop.claim(now_ms=now_ms).parcels[0].attempts == 1


def test_who_lost_a_message_to_another_deliverer_does_not_change_its_schedule(desktop: Desktop) -> None:
    desktop.tell(1)
    (slow,) = desktop.claim().parcels
    later_ms = NOW_MS + SCHEDULE.lease_ms
    desktop.claim(now_ms=later_ms)
    with desktop.engine.begin() as connection:
        outbox.failed(connection, slow, SCHEDULE, later_ms, lambda: 0.0)
    assert desktop.claimed(now_ms=later_ms + SCHEDULE.lease_ms - 1) == []


def test_a_sent_message_is_kept_unsent_until_it_is_forgotten(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.claim()
    with desktop.engine.begin() as connection:
        delivered(connection, [jti(1)], SCHEDULE, NOW_MS)
        outbox.sent(connection, [jti(1)])
        assert outbox.waiting(connection) == {"acquirer": (0, 1, 0)}
    assert desktop.claimed(now_ms=NOW_MS + 1_000 * HOUR_MS) == []
    with desktop.engine.begin() as connection:
        assert outbox.expire(connection, NOW_MS) == 0
        assert outbox.expire(connection, NOW_MS + 1) == 1
    assert desktop.kept() == []


def test_what_is_still_to_be_sent_is_not_forgotten(desktop: Desktop) -> None:
    desktop.tell(1)
    with desktop.engine.begin() as connection:
        assert outbox.expire(connection, NOW_MS + 1_000 * HOUR_MS) == 0


def test_only_a_dead_letter_is_sent_again(desktop: Desktop) -> None:
    desktop.tell(1)
    with desktop.engine.begin() as connection, pytest.raises(DeliveryError, match="no dead letter by that id"):
        outbox.retry(connection, jti(1), NOW_MS)


def test_two_deliverers_at_once_never_hold_the_same_message(database: str) -> None:

    engine = make_engine(database)
    migrate(engine, MIGRATIONS, LOCK)
    desktop = Desktop(engine)
    for number in range(200):
        desktop.tell(number)
    found: list[str] = []

    def deliver() -> None:
        while claimed := desktop.claimed(at_most=7):
            found.extend(claimed)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [jti(number) for number in range(200)]
    engine.dispose()
