import pytest
import sqlalchemy as sa

from sharing.delivery import outbox
from sharing.delivery.disclosures import Answer, Taken, answer, delivered, escalate, root
from sharing.errors import DeliveryError, TransitionRefused
from sharing.ledger.leaves import Answered, hash_of
from tests.sharing.delivery.fakes import NOW_MS, SCHEDULE, Desktop, jti

DAY_MS = 86_400_000


@pytest.fixture
def desktop(engine: sa.Engine) -> Desktop:
    return Desktop(engine)


def _answer(desktop: Desktop, *answers: Answer, partner: str = "acquirer", now_ms: int = NOW_MS) -> Taken:
    with desktop.engine.begin() as connection:
        return answer(connection, desktop.ledger, partner, answers, b"said", now_ms)


def _delivered(desktop: Desktop, *numbers: int, now_ms: int = NOW_MS) -> None:
    with desktop.engine.begin() as connection:
        delivered(connection, [jti(number) for number in numbers], SCHEDULE, now_ms)


def _escalate(desktop: Desktop, now_ms: int) -> dict[str, int]:
    with desktop.engine.begin() as connection:
        return escalate(connection, desktop.ledger, now_ms)


def test_an_acknowledged_message_has_a_leaf_and_its_sealed_bytes_go(desktop: Desktop) -> None:
    desktop.tell(1)
    _delivered(desktop, 1)
    assert desktop.state(1) == "delivered"
    assert _answer(desktop, Answer(jti(1))) == Taken(1, 0, 0, 0)
    assert (desktop.state(1), desktop.kept()) == ("acknowledged", [])
    assert desktop.answers() == [
        Answered(at_ms=NOW_MS, partner="acquirer", place=0, answer="acknowledged", statement=hash_of(b"said"))
    ]


def test_a_refused_message_is_a_dead_letter_that_can_be_sent_again(desktop: Desktop) -> None:
    desktop.tell(1)
    _delivered(desktop, 1)
    assert _answer(desktop, Answer(jti(1), "invalid_key")) == Taken(0, 1, 0, 0)
    assert desktop.state(1) == "refused"
    with desktop.engine.begin() as connection:
        assert [(dead.jti, dead.reason) for dead in outbox.dead_letters(connection)] == [(jti(1), "refused")]
        outbox.retry(connection, jti(1), NOW_MS)
    assert (desktop.state(1), desktop.claimed()) == ("pending", [jti(1)])
    _delivered(desktop, 1)
    assert _answer(desktop, Answer(jti(1))) == Taken(1, 0, 0, 0)
    assert [leaf.answer for leaf in desktop.answers()] == ["refused", "acknowledged"]


def test_an_answer_to_what_was_never_said_to_be_sent_counts_as_delivery(desktop: Desktop) -> None:
    desktop.tell(1)
    assert _answer(desktop, Answer(jti(1))) == Taken(1, 0, 0, 0)
    assert desktop.state(1) == "acknowledged"


def test_answers_of_another_partner_and_to_unknown_messages_change_nothing(desktop: Desktop) -> None:
    desktop.tell(1)
    assert _answer(desktop, Answer(jti(1)), Answer(jti(2)), partner="agency") == Taken(0, 0, 2, 0)
    assert (desktop.state(1), desktop.answers()) == ("pending", [])


def test_a_second_answer_changes_nothing(desktop: Desktop) -> None:
    desktop.tell(1)
    _answer(desktop, Answer(jti(1)))
    assert _answer(desktop, Answer(jti(1), "invalid_key")) == Taken(0, 0, 0, 1)
    assert (desktop.state(1), len(desktop.answers())) == ("acknowledged", 1)


def test_a_message_is_overdue_a_day_after_it_was_delivered_and_its_late_answer_counts(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2, partner="agency")
    _delivered(desktop, 1, 2, now_ms=NOW_MS + 5)
    assert _escalate(desktop, NOW_MS + 4 + DAY_MS) == {}
    assert _escalate(desktop, NOW_MS + 5 + DAY_MS) == {"acquirer": 1, "agency": 1}
    assert _escalate(desktop, NOW_MS + 6 + DAY_MS) == {}
    assert desktop.state(1) == "overdue"
    _delivered(desktop, 1)
    assert desktop.state(1) == "overdue"
    assert _answer(desktop, Answer(jti(1))) == Taken(1, 0, 0, 0)
    assert desktop.state(1) == "acknowledged"
    assert [leaf.answer for leaf in desktop.answers()] == ["overdue", "overdue", "acknowledged"]


def test_a_withdrawal_is_overdue_four_hours_after_it_was_made_even_if_it_never_left(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2, kind="withdrawal", supersedes=1)
    assert _escalate(desktop, NOW_MS + 4 * 3_600_000) == {"acquirer": 1}
    assert (desktop.state(1), desktop.state(2)) == ("withdrawn", "overdue")


@pytest.mark.parametrize(
    ("kind", "state"), [("correction", "corrected"), ("withdrawal", "withdrawn"), ("deletion", "deleted")]
)
def test_what_is_superseded_says_so_and_is_sent_no_more(desktop: Desktop, kind: str, state: str) -> None:
    desktop.tell(1)
    desktop.tell(2, kind=kind, supersedes=1)  # type: ignore[arg-type]
    assert (desktop.state(1), desktop.state(2), desktop.kept()) == (state, "pending", [jti(2)])


def test_a_late_answer_to_a_superseded_message_has_a_leaf_and_leaves_its_state(desktop: Desktop) -> None:
    desktop.tell(1)
    _delivered(desktop, 1)
    desktop.tell(2, kind="deletion", supersedes=1)
    assert _answer(desktop, Answer(jti(1))) == Taken(1, 0, 0, 0)
    assert (desktop.state(1), len(desktop.answers())) == ("deleted", 1)


def test_only_a_told_message_of_the_same_partner_is_superseded(desktop: Desktop) -> None:
    desktop.tell(1)
    with pytest.raises(DeliveryError, match="never told"):
        desktop.tell(2, partner="agency", kind="withdrawal", supersedes=1)
    with pytest.raises(DeliveryError, match="a withdrawal names what it supersedes"):
        desktop.tell(2, kind="withdrawal")
    with pytest.raises(DeliveryError, match="a disclosure does not name what it supersedes"):
        desktop.tell(2, supersedes=1)
    assert desktop.kept() == [jti(1)]


def test_nothing_comes_after_a_deletion(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2, kind="deletion", supersedes=1)
    with pytest.raises(TransitionRefused, match="that is deleted cannot become withdrawn; expected nothing"):
        desktop.tell(3, kind="withdrawal", supersedes=1)


def test_a_chain_is_known_by_its_first_message(desktop: Desktop) -> None:
    desktop.tell(1)
    desktop.tell(2, kind="correction", supersedes=1)
    desktop.tell(3, kind="withdrawal", supersedes=2)
    with desktop.engine.connect() as connection:
        assert [root(connection, jti(number)) for number in (1, 2, 3)] == [jti(1)] * 3
