"""From a session's visits to the path that an analyst sees in the case of its order."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from faust.types import TP

from events import topics
from events.facts import encode
from events.types import AnyEvent
from features.formulas import Floats
from history.database import make_engine, upgrade
from history.index import Index
from history.pages import Page
from models.decisions import Decision
from models.screening import Decided
from review.cli import cases
from streams.files import Line
from streams.metrics import Metrics
from streams.runs import opened, settings_for
from streams.stages.history import HistoryStage
from tests.events.examples import body, order, visit
from tests.harness import Kafka, Redis, wait_until
from tests.history import made
from tests.streams.fakes import order_fact
from tests.streams.pipeline import Pipeline
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

BEGIN_MS = 1_772_403_300_000
NOW_MS = BEGIN_MS + 600_000


def event_at(after_s: int, make: Any, **changes: Any) -> Line:
    at_ms = BEGIN_MS + 1000 * after_s
    occurred_at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
    made = make(event_id=f"e-{after_s}", occurred_at=occurred_at, **changes)
    return Line(at_ms, topics.topic_of(made["type"]), body(made))


def event_of(line: Line) -> AnyEvent:
    return msgspec.json.decode(line.body, type=AnyEvent)


LINES = [
    event_at(0, visit, path="/"),
    event_at(1, visit, path="/category/shoes"),
    *(event_at(n, visit, path=f"/product/{n}") for n in range(2, 49)),
    event_at(49, visit, session_id="s-2", path="/cart"),
    event_at(50, visit, session_id=None, cookies_enabled=False, path="/cart"),
    event_at(51, visit, path="/layla-alotaibi?email=layla@example.com", status=404),
    event_at(60, visit, path="/checkout"),
    event_at(61, order, order_id="o-1"),
    event_at(62, visit, path="/confirmation"),
    event_at(63, order, order_id="o-2", session_id=None),
    event_at(64, order, order_id="o-3", session_id="s-3"),
]


def review_all(facts: Sequence[Decided], _: Floats, flags: tuple[str, ...]) -> list[Decision]:
    return [
        Decision(
            decision_id=fact.source.text(),
            revision=1,
            order_id=fact.order_id,
            source=fact.source,
            occurred_at_ms=fact.occurred_at_ms,
            outcome="review",
            mode="rules",
            entities=fact.entities,
            flags=flags,
        )
        for fact in facts
    ]


async def screen(folder: Path, chunk: int) -> None:
    async with AsyncExitStack() as stack:
        runner = await opened(settings_for(folder, folder / "models"), folder, lambda: NOW_MS, stack)
        runner.begin(review_all)
        await runner.feed(LINES, NOW_MS, chunk)


@pytest.mark.parametrize("chunk", [500, 7])
def test_a_case_shows_what_of_its_sessions_last_fifty_pages_came_up_to_the_order(tmp_path: Path, chunk: int) -> None:
    asyncio.run(screen(tmp_path, chunk))
    environment = {"AMANA_DATABASE": f"sqlite:///{tmp_path}/amana.db", "AMANA_KEYRING": str(tmp_path / "keyring.json")}

    def path(order_id: str) -> Any:
        shown = CliRunner().invoke(cases, ["show", order_id, "--json"], env=environment, catch_exceptions=False)
        return json.loads(shown.output)["path"]

    # The session has 52 pages, the last of them after the order: it took one place of the fifty.
    products = ["/product/:id 200", *["/product/:id +1.0 s 200"] * 46]
    assert path("o-1") == [*products, "/:x +3.0 s 404", "/checkout +9.0 s 200"]
    assert path("o-2") == "none: the order named no session (cookies refused)"
    assert path("o-3") == "none: no page of the session was known when the case opened"


class Record(NamedTuple):
    offset: int
    value: bytes
    timestamp: int = 0


class NoSender:
    async def send(self, topic: str, partition: int, messages: object) -> None:
        raise AssertionError(f"sent to {topic}/{partition}: {messages}")


def test_of_the_facts_history_keeps_the_pages_of_sessions_and_sends_nothing(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    upgrade(engine)
    index = Index(engine)
    stage = HistoryStage(index, NoSender(), {}, Metrics())
    facts = [made.visit(1), order_fact(2), made.visit(3), made.label(4, "o-2"), made.visit(5, None)]
    records = [Record(n, encode(fact)) for n, fact in enumerate(facts)]
    records.insert(2, Record(9, b"no fact"))
    for _ in range(2):
        asyncio.run(stage.handle(TP(topics.FACTS, 0), records))
    assert index.path_of("s" * 22, 10_000) == (Page(1_000, "/page/1"), Page(3_000, "/page/3"))
    engine.dispose()


def test_the_history_worker_reads_pages_from_the_facts_topic(tmp_path: Path) -> None:
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, tmp_path, partitions=2) as full:
        full.start("history")
        full.publish([*(event_of(line) for line in LINES[:3]), event_of(LINES[49])])
        full.start("intake")
        wait_until(lambda: full.count(topics.FACTS) == 4 and full.caught_up("history", topics.FACTS), 60, "every page")
        pseudonym = Pseudonymiser(Keyring.load(full.keyring))
        engine = make_engine(full.env["AMANA_DATABASE"])
        index = Index(engine)
        found = {session: index.path_of(pseudonym("session", session), NOW_MS) for session in ("s-1", "s-2")}
        engine.dispose()
    assert [page.route for page in found["s-1"]] == ["/", "/category/:x", "/product/:id"]
    assert [page.route for page in found["s-2"]] == ["/cart"]
