"""Ten thousand events full of canaries through the whole pipeline on real servers, and a search for every one of them.

Shows 7 of the issue. What may be in clear downstream - ids of events and orders, countries, amounts, last four digits,
what a partner's contract names - is no canary, or is one that is not looked for there.
"""

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer
from psycopg import sql
from redis import Redis as Client

from events import topics
from features.definitions import DEFINITIONS
from models import artifact, training
from models.decisions import decode as decode_decision
from tests.harness import Kafka, Postgres, Redis, free_port, wait_until
from tests.streams.canaries import Mint, Salted, Search, written
from tests.streams.pipeline import Pipeline, Read

ORDERS, REFUSED, VISITS, ACTIVITY, LABELS = 3_000, 500, 4_000, 2_450, 50
FLAGGED_EVERY = 15  # orders of an amount that the model blocks
STAGES = ("intake", "screen", "history", "opener")
RAW = (topics.ORDERS, topics.VISITS, topics.ACTIVITY, topics.LABELS)
SHARED = topics.share_topic("acquirer")
BEHIND = (topics.FACTS, topics.DECISIONS, topics.QUARANTINE, topics.LATE, SHARED)
CONTRACTED = {SHARED: {"psp_reference"}}  # the fields that the acquirer's contract names

pytestmark = pytest.mark.timeout(180)


class Servers(NamedTuple):
    kafka: Kafka
    redis: Redis
    postgres: Postgres
    database: str


class Run:
    """The pipeline, and everything that it was given and left behind."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.mint = Mint(11)
        self.servers = servers
        self.pipeline = Pipeline(servers.kafka.brokers, servers.redis.url, folder, servers.database)
        self.ports = {stage: free_port() for stage in STAGES}
        self.commands: list[str] = []
        self.producer: Any = KafkaProducer(bootstrap_servers=servers.kafka.brokers, linger_ms=20)

    def send(self, topic: str, body: bytes, key: str | None = None) -> None:
        self.producer.send(topic, body, key and key.encode())

    def start(self) -> None:
        settings = {"AMANA_LOG_LEVEL": "DEBUG", "AMANA_PURGE_AFTER": "3600"}
        settings |= {"AMANA_REVIEW_AT": "0.5", "AMANA_BLOCK_AT": "0.5"}
        for stage, port in self.ports.items():
            self.pipeline.start(stage, AMANA_METRICS_PORT=str(port), **settings)

    def command(self, *arguments: str) -> int:
        """Run `amana` and keep what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=self.pipeline.folder,
            env=self.pipeline.env,
            capture_output=True,
            text=True,
            check=False,
        )
        self.commands.append(done.stdout + done.stderr)
        return done.returncode

    def places(self) -> dict[str, bytes]:
        """Everything that must hold no canary."""
        return (
            {topic: joined(self.pipeline.read(topic)) for topic in BEHIND}
            | {f"{stage}'s metrics": self.metrics(port) for stage, port in self.ports.items()}
            | {path.name: path.read_bytes() for path in self.pipeline.folder.glob("*.log")}
            | {"redis": dumped(self.servers.redis.url), "append-only file": files(self.servers.redis.data)}
            | {"tables": tables(self.servers.database), "database files": self.database_files()}
            | {"failing commands": "\n".join(self.commands).encode()}
        )

    def metrics(self, port: int) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return bytes(answer.read())

    def database_files(self) -> bytes:
        """The test's own database and the write-ahead log, as they are on disk."""
        with connected(self.servers.database) as connection:
            connection.execute("CHECKPOINT")
            oid = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        assert oid is not None
        data = self.servers.postgres.data
        return files(data / "base" / str(oid[0])) + files(data / "pg_wal")


def joined(records: list[Read]) -> bytes:
    return b"\n".join((record.key or b"") + b"\n" + (record.value or b"") for record in records)


def files(folder: Path) -> bytes:
    """What is in a folder's files, less the zeros between."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return b"\n".join(b"\0".join(part for part in path.read_bytes().split(b"\0" * 8) if part) for path in paths)


def dumped(url: str) -> bytes:
    client = Client.from_url(url)
    keys = list(client.scan_iter(count=10_000))
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.dump(key)
    return b"\n".join([*keys, *pipe.execute()])


def connected(database: str) -> psycopg.Connection:
    return psycopg.connect(database.replace("+psycopg", ""), autocommit=True)


def tables(database: str) -> bytes:
    """Every table as text; bytes are in hexadecimal digits there."""
    with connected(database) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        copied = []
        for (name,) in names:
            with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as rows:
                copied += [bytes(row) for row in rows]
    return b"".join(copied)


def train(folder: Path) -> None:
    """A model to which a large amount is a fraud and nothing else is."""
    random = np.random.default_rng(1)
    table = pd.DataFrame(0.0, index=range(2_000), columns=list(DEFINITIONS.names))
    large = random.random(len(table)) < 0.1
    table["order.amount_usd"] = np.where(large, 5_000.0, 5.0) + 100 * random.random(len(table))
    table = table.assign(
        decision_id=[f"t:0:{row}" for row in range(len(table))],
        order_id=[f"o-{row}" for row in range(len(table))],
        occurred_at_ms=np.arange(len(table)),
        label=large.astype(int),
    )
    artifact.save(folder, training.train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("canary")
    train(folder / "models")
    with Kafka() as kafka, Redis() as redis, Postgres() as postgres:
        made = Run(Servers(kafka, redis, postgres, postgres.create_database("canary")), folder)
        made.command("migrate")
        with made.pipeline, closing(made.producer):
            made.start()
            orders = send_events(made)
            made.pipeline.wait_for(topics.DECISIONS, ORDERS)
            wait_until(lambda: orders <= decided(made.pipeline), 60, "every decision")
            send_labels(made, sorted(orders))
            fail_commands(made)
            made.pipeline.wait_for(SHARED, ORDERS // FLAGGED_EVERY)
            made.pipeline.wait_for(topics.FACTS, ORDERS + VISITS + ACTIVITY + LABELS)
            yield made


def send_events(run: Run) -> set[str]:
    """Orders, visits and activity in turns; gives the ids of the orders that the guard accepts."""
    salted = Salted(run.mint, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    order_ids = set()
    for number in range(VISITS):
        visit = salted.visit()
        run.send(topics.VISITS, written(visit), visit["session_id"])
        if number < ACTIVITY:
            activity = salted.activity()
            run.send(topics.ACTIVITY, written(activity, escaped=number % 2 == 0), activity["customer_id"])
        if number < ORDERS:
            order = salted.order(2_000_000 if number % FLAGGED_EVERY == 0 else 10_000)
            order_ids.add(order["order_id"])
            run.send(topics.ORDERS, written(order, escaped=number % 2 == 0), order["customer_id"])
        if number < REFUSED:
            run.send(topics.ORDERS, salted.refused())
    run.producer.flush()
    return order_ids


def decided(pipeline: Pipeline) -> set[str]:
    return {decode_decision(record.value).order_id for record in pipeline.read(topics.DECISIONS)}


def send_labels(run: Run, order_ids: list[str]) -> None:
    """Labels of orders, and as many that the guard refuses."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for number, order_id in enumerate(order_ids[:LABELS]):
        label = {"type": "FraudConfirmed", "event_id": f"lab-{number}", "occurred_at": now, "labelled_at": now}
        run.send(topics.LABELS, written(label | {"order_id": order_id}), order_id)
        run.send(topics.LABELS, written(label | {"order_id": run.mint.card(), "note": run.mint.name()}))
    run.producer.flush()


def fail_commands(run: Run) -> None:
    """Commands that are given canaries and refuse them, each with an error of its own."""
    mint, folder = run.mint, run.pipeline.folder
    salted = Salted(mint, "2026-01-01T00:00:00Z")
    bad = [salted.refused() for _ in range(20)]
    for number, body in enumerate(bad[:2]):
        (folder / f"bad-{number}.jsonl").write_bytes(body.replace(b"\n", b" ") + b"\n")
        assert run.command("publish", f"bad-{number}.jsonl") == 1
    (folder / "bad.jsonl").write_bytes(b"\n".join(bad) + b"\n")
    run.command("run", "--events", "bad.jsonl", "--out", "embedded")
    assert run.command("cases", "show", mint.word("typed")) == 1
    case = ("cases", "decide", "ord-none", "--fraud", "--actor", "noura", "--reason")
    assert run.command(*case, f"{mint.name()} {mint.card()}") == 2
    assert run.command(*case, mint.name()) == 1


def leaks(search: Search, mint: Mint, places: dict[str, bytes]) -> dict[str, set[str]]:
    """The fields whose canaries are found, by the place where they are."""
    found = {place: {mint.made[canary] for canary in search.found(text)} for place, text in places.items()}
    return {place: fields - CONTRACTED.get(place, set()) for place, fields in found.items()}


def test_no_canary_is_behind_the_raw_topics(run: Run) -> None:
    found = leaks(Search(run.mint.made), run.mint, run.places())
    assert not any(found.values()), found


def test_the_raw_topics_hold_the_canaries(run: Run) -> None:
    """A partition of each is read, to save time."""
    sent = [record for topic in RAW for record in run.pipeline.read(topic) if record.partition == 0]
    found = Search(run.mint.made).found(joined(sent))
    assert len(found) > 0.2 * len(run.mint.made)
    assert {run.mint.made[canary] for canary in found} == set(run.mint.made.values()) - {"typed"}


def test_cases_and_partner_messages_are_made_of_salted_orders(run: Run) -> None:
    with connected(run.servers.database) as connection:
        count = connection.execute("SELECT count(*) FROM review_cases WHERE envelope IS NOT NULL").fetchone()
    assert count == (ORDERS // FLAGGED_EVERY,)
    assert len(run.pipeline.read(SHARED)) == ORDERS // FLAGGED_EVERY


def test_the_same_search_finds_what_is_planted_in_each_kind_of_place(run: Run) -> None:
    mint = Mint(12)
    planted = [mint.word("planted") for _ in range(len(BEHIND) + 4)]
    for topic, word in zip(BEHIND, planted, strict=False):
        run.send(topic, b"", base64.b64encode(f"{word}@example.com".encode()).decode())
    run.producer.flush()
    in_redis, in_sql, in_log, in_command = planted[len(BEHIND) :]
    Client.from_url(run.servers.redis.url).hset("planted", "field", in_redis.upper())
    with connected(run.servers.database) as connection:
        connection.execute("CREATE TABLE planted (value bytea)")
        connection.execute("INSERT INTO planted VALUES (%s)", (in_sql.encode(),))
    (run.pipeline.folder / "planted.log").write_text(json.dumps({"event": quote(in_log)}))
    run.commands.append(in_command[::-1])
    places = run.places()
    search = Search(mint.made)
    found = {place: search.found(text) for place, text in places.items()}
    expected = dict(zip(BEHIND, ({word.lower()} for word in planted), strict=False))
    expected |= {"redis": {in_redis.lower()}, "append-only file": {in_redis.lower()}}
    expected |= {"tables": {in_sql.lower()}, "database files": {in_sql.lower()}}
    expected |= {"planted.log": {in_log.lower()}, "failing commands": {in_command.lower()}}
    assert {place: words for place, words in found.items() if words} == expected


def escaped(text: str) -> bytes:
    return "".join(f"\\u{unit:04X}" for unit in np.frombuffer(text.encode("utf-16-le"), "<u2").tolist()).encode()


WRITINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "in upper case": lambda text: text.upper().encode(),
    "in reversed case": lambda text: text.swapcase().encode(),
    "backwards": lambda text: text.encode()[::-1],
    "in JSON": lambda text: json.dumps(text).encode(),
    "in JSON in JSON": lambda text: json.dumps(json.dumps(text)).encode(),
    "escaped throughout": escaped,
    "in hexadecimal": lambda text: text.encode().hex().encode(),
    "in upper hexadecimal": lambda text: text.encode().hex().upper().encode(),
    "in a URL": lambda text: quote(text).encode(),
    "in a URL throughout": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "in base64": lambda text: base64.b64encode(text.encode()),
    "in base64, one on": lambda text: base64.b64encode(b"x" + text.encode()).rstrip(b"="),
    "in base64, two on": lambda text: base64.urlsafe_b64encode(b"xx" + text.encode() + b"yy"),
    "in JSON in base64": lambda text: base64.b64encode(json.dumps({"name": text}).encode()),
}
KINDS: dict[str, Callable[[Mint], object]] = {
    "name": Mint.name,
    "arabic name": lambda mint: mint.word("name", "بتثجح"),
    "e-mail": Mint.email,
    "phone": Mint.phone,
    "address": Mint.address,
    "ip": Mint.ip,
    "card": Mint.card,
}


@pytest.mark.parametrize("writing", list(WRITINGS))
@given(st.sampled_from(list(KINDS)), st.integers(0, 2**32), st.binary(max_size=40), st.binary(max_size=40))
def test_a_canary_is_found_however_it_is_written(
    writing: str, kind: str, seed: int, before: bytes, after: bytes
) -> None:
    mint = Mint(seed)
    KINDS[kind](mint)
    for canary in mint.made:
        assert Search(mint.made).found(before + WRITINGS[writing](canary) + after) >= {canary}


def test_what_was_not_made_is_not_found() -> None:
    mint = Mint(1)
    mint.contact()
    other = Mint(2)
    other.contact()
    assert Search(mint.made).found("\n".join(other.made).encode()) == set()
