"""Two hundred simulated analysts over one queue, on real PostgreSQL: none is given what another holds, none is lost.

What they did is judged by the audit trail alone, replayed by a second, naive reading of who may hold what.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from review import tables
from review.cases import Case, Verdict
from review.database import upgrade
from review.desk import CLOCK, Desk
from review.errors import StaleCase, TransitionRefused
from review.joining import JoiningStore
from review.opener import open_case
from review.store import CaseStore, SubjectKeyTable
from review.workflow import LEASE_MS, Action
from tests.review.examples import NOW_MS, decision, vault
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

ANALYSTS = 200
REFUSED = (StaleCase, TransitionRefused)
CHUNK = 4
STEP_MS = 900  # so that leases end, and undo's minute passes, while the others work
CHOICES: Sequence[Action | str] = (
    *("dismiss",) * 5, *("confirm_fraud",) * 4, "escalate", "release", "snooze", "ask", "renew", "walk away",
)  # fmt: skip
OLD_PAGES: Sequence[Action] = ("claim", "dismiss", "undo", "release", "answer")


class Clock:
    """Moves on by a step whenever it is asked; all share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now_ms = NOW_MS

    def __call__(self) -> int:
        with self._lock:
            self._now_ms += STEP_MS
            return self._now_ms


class Board:
    """Cases as somebody has seen them some time: what an old page in a forgotten tab shows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Case] = []

    def pin(self, case: Case) -> Case:
        with self._lock:
            self._seen.append(case)
        return case

    def any(self, rng: random.Random) -> Case | None:
        with self._lock:
            return rng.choice(self._seen) if self._seen else None


class Analyst:
    """One person. What others were faster with is refused, and that is all right."""

    def __init__(self, name: str, seed: int, desk: Desk, clock: Clock, board: Board) -> None:
        self._name = name
        self._rng = random.Random(f"{seed} {name}")
        self._desk = desk
        self._clock = clock
        self._board = board
        self._last: Case | None = None

    def visit(self) -> None:
        """A few cases, as long as there are any."""
        for _ in range(3):
            if not self._step():
                return

    def _step(self) -> bool:
        self._meddle()
        case = self._desk.next(self._name, self._clock())
        if case is not None:
            self._work(self._board.pin(case))
        return case is not None

    def _meddle(self) -> None:
        """Takes back what it did last, or acts on an old page, where most things are not so any more."""
        case = self._last if self._rng.random() < 0.3 else self._board.any(self._rng)
        if case is None or self._rng.random() < 0.5:
            return
        action: Action = "undo" if case is self._last else self._rng.choice(OLD_PAGES)
        self._try(lambda: self._desk.act(case, action, self._name, self._clock(), reason=b"sealed"))

    def _work(self, case: Case) -> None:
        choice: Any = self._rng.choice(CHOICES)
        if choice == "walk away":
            return
        if choice in {"dismiss", "confirm_fraud"}:
            self._try(lambda: self._decide(case, choice))
        else:
            now_ms = self._clock()
            self._try(
                lambda: self._desk.act(case, choice, self._name, now_ms, until_ms=now_ms + LEASE_MS, reason=b"sealed")
            )

    def _decide(self, case: Case, verdict: Verdict) -> Case:
        return self._desk.decide(case, verdict, reason=b"sealed", actor=self._name, now_ms=self._clock())

    def _try(self, act: Callable[[], Case]) -> None:
        with suppress(*REFUSED):
            self._last = self._board.pin(act())


@pytest.fixture
def engine(database: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(database, pool_size=30, max_overflow=0, pool_timeout=600)
    upgrade(engine)
    yield engine
    engine.dispose()


def orders(engine: sa.Engine, keyring: Keyring, number: int, rng: random.Random) -> list[Case]:
    """Of few priorities, so that many stand first at once; an eighth takes two people, some are due soon.

    The last third has the cards of the first.
    """
    case = open_case(decision(outcome="review"), ORDER, vault(keyring, SubjectKeyTable(engine)), NOW_MS)
    return [
        msgspec.structs.replace(
            case,
            decision_id=f"topic:1:{n}",
            order_id=f"ord-{n}",
            subject=f"customer-{n}",
            card=f"card-{n % (number * 2 // 3)}",
            priority=float(rng.randrange(4)),
            amount_minor=2_000_000 if n % 8 == 0 else 900,
            due_at_ms=NOW_MS + rng.randrange(STEP_MS * number) if n % 9 == 0 else None,
        )
        for n in range(number)
    ]


def opened(engine: sa.Engine, later: Sequence[Case]) -> None:
    """Orders that come while people work, a few at a time."""
    for n in range(0, len(later), CHUNK):
        JoiningStore(engine).take_in_all(later[n : n + CHUNK])


def worked(desk: Desk, store: CaseStore, clock: Clock, people: Sequence[Analyst]) -> None:
    """Everybody at once until nothing is left to take, then what was put off comes back, until all is decided."""
    with ThreadPoolExecutor(len(people)) as pool:
        while any(each.status != "decided" for each in store.list(limit=100_000)):
            list(pool.map(Analyst.visit, people))
            for case in store.list("waiting", limit=100_000):
                desk.act(case, "answer", "orders", clock())
            for _ in range(LEASE_MS // STEP_MS):
                clock()
            while desk.tick(clock()):
                pass


def replayed(entries: Sequence[tuple[str, str]], *, joined: bool = False) -> str:
    """Who holds a case after its audit trail, by rules of thumb; fails where two would hold it at once.

    An order that was joined to another case is held by nobody, and decided with that one.
    """
    holder, decided = "", False
    for actor, action in entries:
        if joined and action != "join":
            assert (action == "undo") == decided
            assert holder in {"", actor}
            decided = action != "undo"
            holder = actor if decided else ""
        elif action == "join":
            assert (holder, decided) == ("", False), f"joined to what {holder} has"
        elif action in {"claim", "default"}:
            assert (holder, decided) == ("", False), f"{action} by {actor} of what {holder} has"
            holder, decided = actor, action == "default"
        elif action in {"lapse", "wake", "answer"}:
            assert (holder != "") == (action == "lapse")
            holder = ""
        elif action == "undo":
            assert (holder, decided) == (actor, True)
            decided = False
        else:
            assert (holder, decided) == (actor, False), f"{action} by {actor} of what {holder} has"
            decided = action in {"dismiss", "confirm_fraud"}
            holder = "" if action in {"release", "escalate", "snooze", "ask", "second_look"} else actor
    return holder if decided else ""


def trails(engine: sa.Engine) -> dict[str, list[tuple[str, str]]]:
    columns = tables.audit.c
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with engine.connect() as connection:
        for case_id, actor, action in connection.execute(
            sa.select(columns.case_id, columns.actor, columns.action).order_by(columns.place)
        ):
            found[case_id].append((actor, action))
    return found


def left(engine: sa.Engine) -> Counter[tuple[str, str]]:
    """What waits to leave the house, by where it goes and which case it is of."""
    waiting, told = tables.outbox.c, tables.triggers.c
    with engine.connect() as connection:
        rows = [
            (topic, str(msgspec.json.decode(body)["order_id"]))
            for topic, body in connection.execute(sa.select(waiting.topic, waiting.body))
        ]
        rows += [
            (row[0], f"ord-{row[1].split(':')[-1]}")
            for row in connection.execute(sa.select(told.kind, told.decision_id))
        ]
    return Counter(rows)


def check(engine: sa.Engine, keyring: Keyring, number: int, seed: int) -> Counter[str]:
    """How often each action was taken; fails where a case was claimed twice at once, lost, or said of twice."""
    come = orders(engine, keyring, number, random.Random(seed))
    desk, store, clock, board = Desk(engine, leaves_ms=10**12), CaseStore(engine), Clock(), Board()
    first = number * 2 // 3 + 3 * CHUNK
    JoiningStore(engine).take_in_all(come[:first])
    opener = threading.Thread(target=opened, args=(engine, come[first:]))
    opener.start()
    people = [Analyst(f"analyst-{n}", seed, desk, clock, board) for n in range(ANALYSTS)]
    worked(desk, store, clock, people)
    opener.join()
    worked(desk, store, clock, people)
    cases, done = store.list(limit=100_000), trails(engine)
    assert len(cases) == number
    expected: Counter[tuple[str, str]] = Counter()
    for case in cases:
        joined = case.lead is not None
        assert replayed(done[case.decision_id], joined=joined) == case.holder == case.decided_by
        assert len(done[case.decision_id]) == case.version - 1
        expected[("flagged", case.order_id)] = expected[("decisions", case.order_id)] = 1
        if case.verdict is not None:
            expected[("labels", case.order_id)] = 1
            expected[("confirmed" if case.verdict == "confirm_fraud" else "cleared", case.order_id)] = 1
    assert left(engine) == expected
    return Counter(action for entries in done.values() for _, action in entries)


def test_of_two_hundred_at_once_none_holds_what_another_holds_and_none_is_lost(
    engine: sa.Engine, keyring_path: Any
) -> None:
    actions = check(engine, Keyring.load(keyring_path), 240, seed=1)
    assert actions["claim"] > 160
    assert {"join", "lapse", "wake", "answer", "escalate", "second_look", "release", "undo", "dismiss"} <= set(actions)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_it_holds_over_many_interleavings(engine: sa.Engine, keyring_path: Any, seed: int) -> None:
    check(engine, Keyring.load(keyring_path), 2_000, seed)


@pytest.mark.parametrize(
    "entries",
    [
        [("noura", "claim"), ("salem", "claim")],
        [("noura", "claim"), ("salem", "dismiss")],
        [("noura", "claim"), ("noura", "dismiss"), ("salem", "undo")],
        [("noura", "claim"), (CLOCK, "default")],
        [("noura", "claim"), ("noura", "dismiss"), ("noura", "dismiss")],
    ],
)
def test_the_replay_would_notice(entries: list[tuple[str, str]]) -> None:
    with pytest.raises(AssertionError):
        replayed(entries)
