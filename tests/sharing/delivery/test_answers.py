"""Signed acknowledgements: believed once, with the partner's own key, of its own messages."""

import pytest
import sqlalchemy as sa

from sharing.delivery.answers import Answers
from sharing.delivery.statements import Place, forget, refused
from sharing.ledger.leaves import Answered, hash_of
from tests.sharing.delivery.fakes import NOW_MS, Desktop, jti
from tests.sharing.delivery.partners import ISSUER, Partner

ACQUIRER, AGENCY = Partner("acquirer"), Partner("agency")
KEYS = {"acquirer": ACQUIRER.keys, "agency": AGENCY.keys}
OWN = "acknowledgement-0001"


class Inbox:
    """A desktop with one delivered message for each partner, and what was reported."""

    def __init__(self, engine: sa.Engine) -> None:
        self.desktop = Desktop(engine)
        self.desktop.tell(1)
        self.desktop.tell(2, partner="agency")
        self.reports: list[tuple[str, str, str]] = []
        self.answers = Answers(self.desktop.desk(), ISSUER, KEYS.get, lambda: NOW_MS, self._report)

    def _report(self, _connection: sa.Connection, partner: str, told: str, verdict: str) -> None:
        self.reports.append((partner, told, verdict))

    def take(self, signed: bytes | None, position: int = 0, partner: str = "acquirer") -> str:
        return self.answers.take(partner, Place(3, position), signed)

    def refused(self, partner: str = "acquirer") -> list[tuple[int, int, str]]:
        with self.desktop.engine.connect() as connection:
            return refused(connection, partner)


@pytest.fixture
def inbox(engine: sa.Engine) -> Inbox:
    return Inbox(engine)


def test_a_signed_acknowledgement_becomes_a_leaf_with_the_hash_of_what_was_signed(inbox: Inbox) -> None:
    signed = ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS)
    assert inbox.take(signed) == "taken"
    assert inbox.desktop.state(1) == "acknowledged"
    assert inbox.desktop.answers() == [
        Answered(at_ms=NOW_MS, partner="acquirer", place=0, answer="acknowledged", statement=hash_of(signed))
    ]
    assert inbox.refused() == []


def test_a_signed_refusal_becomes_a_state_and_a_leaf(inbox: Inbox) -> None:
    assert inbox.take(ACQUIRER.acknowledges(own=OWN, now_ms=NOW_MS, errs={jti(1): "invalid_key"})) == "taken"
    assert (inbox.desktop.state(1), [leaf.answer for leaf in inbox.desktop.answers()]) == ("refused", ["refused"])


def test_the_same_record_read_again_changes_nothing_and_is_no_replay(inbox: Inbox) -> None:
    signed = ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS)
    assert [inbox.take(signed), inbox.take(signed)] == ["taken", "again"]
    assert (len(inbox.desktop.answers()), inbox.refused()) == (1, [])


def test_a_replayed_acknowledgement_is_noted_by_its_place(inbox: Inbox) -> None:
    signed = ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS)
    assert [inbox.take(signed, 0), inbox.take(signed, 1)] == ["taken", "replayed"]
    assert (len(inbox.desktop.answers()), inbox.refused()) == (1, [(3, 1, "replayed")])


def test_what_an_acknowledgement_was_is_forgotten_when_it_is_too_old_to_be_believed(inbox: Inbox) -> None:
    signed = ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS)
    inbox.take(signed)
    with inbox.desktop.engine.begin() as connection:
        forget(connection, NOW_MS + 7 * 86_400_000 + 300_000)
    assert inbox.take(signed, 1) == "replayed"


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (AGENCY.acknowledges(jti(1), own=OWN, now_ms=NOW_MS), "unknown_key"),
        (ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS)[:-4] + b"AAAA", "forged"),
        (ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS, aud="https://other.example"), "wrong_audience"),
        (ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS, iss="agency"), "wrong_issuer"),
        (ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS - 8 * 86_400_000), "stale"),
        (ACQUIRER.acknowledges(jti(1), own=OWN, now_ms=NOW_MS + 600_000), "from_the_future"),
        (b"\xff" * 100_000, "oversize"),
        (b"not a signature", "malformed"),
        (None, "malformed"),
    ],
    ids=["other-key", "forged", "audience", "issuer", "stale", "future", "oversize", "malformed", "empty"],
)
def test_what_is_not_believed_changes_nothing_and_is_noted_with_a_reason(
    inbox: Inbox, signed: bytes | None, reason: str
) -> None:
    assert inbox.take(signed, 7) == reason
    assert (inbox.desktop.state(1), inbox.desktop.answers()) == ("pending", [])
    assert inbox.refused() == [(3, 7, reason)]


def test_a_partner_cannot_answer_for_another(inbox: Inbox) -> None:
    assert inbox.take(ACQUIRER.acknowledges(jti(1), jti(2), own=OWN, now_ms=NOW_MS)) == "unknown_message"
    assert (inbox.desktop.state(1), inbox.desktop.state(2)) == ("acknowledged", "pending")
    assert inbox.refused() == [(3, 0, "unknown_message")]


def test_a_partner_without_keys_is_not_believed(inbox: Inbox) -> None:
    assert inbox.take(ACQUIRER.acknowledges(own=OWN, now_ms=NOW_MS, iss="carrier"), partner="carrier") == "no_keys"
    assert inbox.refused("carrier") == [(3, 0, "no_keys")]


def test_what_came_of_a_partners_own_message_is_reported_and_of_nobody_elses(inbox: Inbox) -> None:
    verdicts = {jti(1): "confirmed", jti(2): "false_alarm"}
    assert inbox.take(ACQUIRER.acknowledges(own=OWN, now_ms=NOW_MS, reports=verdicts)) == "taken"
    assert inbox.reports == [("acquirer", jti(1), "confirmed")]


def test_a_note_of_what_was_not_believed_is_kept_for_thirty_days(inbox: Inbox) -> None:
    inbox.take(None, 7)
    now_ms = NOW_MS + 30 * 86_400_000
    inbox.desktop.desk(lambda: now_ms).sweep()
    assert inbox.refused() == [(3, 7, "malformed")]
    now_ms += 1
    inbox.desktop.desk(lambda: now_ms).sweep()
    assert inbox.refused() == []
