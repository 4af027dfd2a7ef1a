import os
import threading

import pytest
import sqlalchemy as sa

from events.types import LabelEvent
from review import tables
from review.access.accounts import Account
from review.access.sessions import IDLE_MS
from review.access.store import AccessStore
from review.cases import Case
from review.chores import SWEEP_MS, Chores
from review.desk import LEAVES_MS, Desk
from review.opener import Vault, open_case
from review.store import CaseStore
from review.workflow import LEASE_MS
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


class Broker:
    """Keeps what is published; refuses while it is down."""

    def __init__(self) -> None:
        self.down = False
        self.labels: list[LabelEvent] = []

    def publish(self, labels: list[LabelEvent] | tuple[LabelEvent, ...]) -> None:
        if self.down:
            raise ConnectionError
        self.labels += labels


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def test_labels_leave_when_their_time_has_come_and_once(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk, broker, now = Desk(engine), Broker(), [NOW_MS]
    chores = Chores(desk, store, broker.publish, lambda: now[0])
    desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    chores.round()
    assert broker.labels == []
    now[0] += LEAVES_MS
    chores.round()
    chores.round()
    assert [label.order_id for label in broker.labels] == ["ord-1"]


def test_a_label_waits_for_a_broker_that_is_down(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk, broker = Desk(engine, leaves_ms=0), Broker()
    chores = Chores(desk, store, broker.publish, lambda: NOW_MS)
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    broker.down = True
    with pytest.raises(ConnectionError):
        chores.round()
    broker.down = False
    chores.round()
    assert len(broker.labels) == 1


def test_sessions_that_have_ended_are_forgotten_once_a_minute(engine: sa.Engine, store: CaseStore) -> None:
    access, now = AccessStore(engine, os.urandom), [NOW_MS]
    access.add(Account(username="noura", roles=("analyst",)), "cli:root", NOW_MS)
    sessions = sa.select(sa.func.count()).select_from(tables.sessions)
    chores = Chores(Desk(engine), store, Broker().publish, lambda: now[0], sweep=access.sweep)
    access.welcome("noura", NOW_MS - IDLE_MS + 1)
    for now_ms, left in ((NOW_MS, 1), (NOW_MS + SWEEP_MS - 1, 1), (NOW_MS + SWEEP_MS, 0)):
        now[0] = now_ms
        chores.round()
        with engine.connect() as connection:
            assert connection.scalar(sessions) == left


def test_claims_lapse_by_themselves(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk = Desk(engine)
    desk.act(case, "claim", "noura", NOW_MS)
    Chores(desk, store, Broker().publish, lambda: NOW_MS + LEASE_MS).round()
    assert store.get("ord-1").status == "open"


def test_a_round_that_fails_is_followed_by_another(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk, stopped, rounds = Desk(engine, leaves_ms=0), threading.Event(), []

    def publish(labels: object) -> None:
        rounds.append(labels)
        if len(rounds) == 3:
            stopped.set()
        raise ConnectionError

    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    Chores(desk, store, publish, lambda: NOW_MS).run(stopped, 0.001)
    assert len(rounds) == 3
