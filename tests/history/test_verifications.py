"""Where a customer's last verification stands, for as long as its raw record does."""

import sqlalchemy as sa

from events.facts import ActivityFact, Coordinates, Entities
from history.index import KEPT_VERIFICATIONS_MS, Index

NOW_MS = 1_772_403_400_000
NOURA = "n" * 22


def verified(offset: int, at_ms: int, customer: str | None = NOURA, activity: str = "IdentityVerified") -> ActivityFact:
    return ActivityFact(
        source=Coordinates("activity", "id", 0, offset),
        event_id=f"evt-{offset}",
        occurred_at_ms=at_ms,
        recorded_at_ms=at_ms,
        entities=Entities(customer=customer),
        activity=activity,
    )


def test_the_last_one_before_the_order_is_found(index: Index) -> None:
    index.record_verifications([verified(1, NOW_MS - 9), verified(2, NOW_MS - 5), verified(3, NOW_MS + 5)])
    assert index.verification_of(NOURA, NOW_MS) == Coordinates("activity", "id", 0, 2)
    assert index.verification_of(NOURA, NOW_MS + 5) == Coordinates("activity", "id", 0, 3)
    assert index.verification_of(NOURA, NOW_MS - 10) is None
    assert index.verification_of("s" * 22, NOW_MS) is None


def test_other_activities_and_people_who_are_not_known_are_not_kept(index: Index) -> None:
    index.record_verifications([verified(1, NOW_MS, None), verified(2, NOW_MS, activity="LoggedIn")])
    index.record_verifications([])
    assert index.verification_of(NOURA, NOW_MS) is None


def test_it_is_forgotten_when_its_raw_record_has_expired(index: Index) -> None:
    index.record_verifications([verified(1, NOW_MS)])
    index.record_verifications([verified(1, NOW_MS)])
    assert index.verification_of(NOURA, NOW_MS + KEPT_VERIFICATIONS_MS) is not None
    assert index.verification_of(NOURA, NOW_MS + KEPT_VERIFICATIONS_MS + 1) is None
    index.record_verifications([verified(2, NOW_MS + KEPT_VERIFICATIONS_MS + 1, "s" * 22)])
    with index._engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM history_verifications")) == 1
