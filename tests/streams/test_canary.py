"""Ten thousand events full of canaries through the whole pipeline on real servers, and a search for every one of them.

Shows 7 of the issue. What may be in clear downstream - ids of events and orders, countries, amounts, last four digits,
what a partner's contract names - is no canary, or is one that is not looked for there.
"""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kafka import KafkaProducer
from psycopg import sql
from redis import Redis as Client
from threadpoolctl import threadpool_limits

from events import topics
from features.definitions import DEFINITIONS
from history.database import make_engine
from models import artifact, training
from models.decisions import decode as decode_decision
from review.desk import Desk
from review.policy import Policy
from review.store import CaseStore, SubjectKeyTable
from sharing.tokens import Opener
from sharing.tokens.making import load_private
from tests.harness import Kafka, Postgres, Redis, free_port, wait_until
from tests.streams.canaries import Mint, Salted, Search, written
from tests.streams.pipeline import Pipeline, Read
from vault.envelopes import Envelopes
from vault.keyring import Keyring

ORDERS, REFUSED, VISITS, ACTIVITY, LABELS = 3_000, 500, 4_000, 2_450, 50
FLAGGED_EVERY = 15  # orders of an amount that the model blocks
STAGES = ("intake", "screen", "history", "opener")
RAW = (topics.ORDERS, topics.VISITS, topics.ACTIVITY, topics.LABELS)
SHARED = topics.share_topic("acquirer")
SEALED = tuple(topics.share_topic(partner) for partner in ("acquirer", "carrier", "successor"))
BEHIND = (topics.FACTS, topics.DECISIONS, topics.QUARANTINE, topics.LATE, *SEALED)
# The fields that a contract lets through whole, in what its partner opens.
CONTRACTED = {"opened by acquirer": {"psp_reference"}, "opened by carrier": {"tracking_ref"}}
CONFIRMED, CLEARED, ERASED = 40, 5, 3  # cases
LOG = "planted.log"
COMMANDS = "failing commands"
# The kind of place of each canary that is planted, and where the search must come upon it.
PLANTED = {
    **{topic: {topic} for topic in BEHIND},
    "log": {LOG},
    "redis": {"redis", "append-only file"},
    "database": {"database"},
    "command": {COMMANDS},
}

pytestmark = pytest.mark.timeout(400)


class Servers(NamedTuple):
    kafka: Kafka
    redis: Redis
    postgres: Postgres
    database: str


class Run:
    """The pipeline, and everything that it was given and left behind."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.mint, self.planted = Mint(11), Mint(12)
        self.found: dict[str, set[str]] = {}  # canaries, by the place where they are
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
        self.pipeline.start_sharing(AMANA_LOG_LEVEL="DEBUG")

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
            | {"database": tables(self.servers.database)}
            | {COMMANDS: "\n".join(self.commands).encode()}
            | {f"opened by {partner}": self.opened(partner) for partner in ("acquirer", "carrier", "successor")}
        )

    def opened(self, partner: str) -> bytes:
        """All that a partner reads of its messages, with its own key."""
        private = load_private(self.pipeline.folder / "own" / f"{partner}.private.json")
        jwks = json.loads((self.pipeline.folder / "jwks.json").read_bytes())
        opener = Opener(private, jwks, issuer="https://amana.example", audience=partner)
        sealed = [record.value for record in self.pipeline.read(topics.share_topic(partner)) if record.value]
        return b"\n".join(msgspec.json.encode(opener.open(each)) + opener.open(each).event for each in sealed)

    def metrics(self, port: int) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return bytes(answer.read())


def joined(records: list[Read]) -> bytes:
    return b"\n".join((record.key or b"") + b"\n" + (record.value or b"") for record in records)


def files(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


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
    """A model to which a large amount is a fraud, as it nearly always was, and nothing else is."""
    random = np.random.default_rng(1)
    table = pd.DataFrame(0.0, index=range(2_000), columns=list(DEFINITIONS.names))
    large = random.random(len(table)) < 0.1
    table["order.amount_usd"] = np.where(large, 5_000.0, 5.0) + 100 * random.random(len(table))
    table = table.assign(
        decision_id=[f"t:0:{row}" for row in range(len(table))],
        order_id=[f"o-{row}" for row in range(len(table))],
        occurred_at_ms=np.arange(len(table)),
        label=(large & (random.random(len(table)) < 0.95)).astype(int),
    )
    settings = training.Settings(trees=20, learning_rate=0.5)
    with threadpool_limits(1, user_api="openmp"):
        trained = training.train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=1, settings=settings)
    artifact.save(folder, trained)


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
            made.pipeline.wait_for(topics.DECISIONS, ORDERS, 200)
            wait_until(lambda: orders <= decided(made.pipeline), 60, "every decision")
            send_labels(made, sorted(orders))
            fail_commands(made)
            for topic in (SHARED, topics.share_topic("carrier")):
                made.pipeline.wait_for(topic, ORDERS // FLAGGED_EVERY)
            decide_cases(made)
            made.pipeline.wait_for(SHARED, ORDERS // FLAGGED_EVERY + CLEARED + ERASED)
            made.pipeline.wait_for(topics.share_topic("successor"), CONFIRMED)
            made.pipeline.wait_for(topics.FACTS, ORDERS + VISITS + ACTIVITY + LABELS)
            plant(made)
            search = Search({**made.mint.made, **made.planted.made})
            made.found = {place: search.found(text) for place, text in made.places().items()}
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


def decide_cases(run: Run) -> None:
    """Verdicts on cases, and subjects erased: what waits for a batch, what is withdrawn, what is deleted."""
    engine = make_engine(run.servers.database)
    store, desk = CaseStore(engine), Desk(engine, leaves_ms=0, policy=Policy())  # one look is enough
    envelopes = Envelopes(Keyring.load(run.pipeline.keyring), SubjectKeyTable(engine), os.urandom)
    cases = store.list("open", limit=CONFIRMED + CLEARED + ERASED)
    for number, case in enumerate(cases):
        if number >= CONFIRMED + CLEARED:
            envelopes.erase(case.subject)
            continue
        sealed = envelopes.seal(case.subject, case.order_id, "reason", run.mint.name().encode())
        action = "confirm_fraud" if number < CONFIRMED else "dismiss"
        desk.decide(case, action, reason=sealed, actor="noura", now_ms=case.opened_at_ms)  # type: ignore[arg-type]
    engine.dispose()


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
    (folder / "bad.jsonl").write_bytes(b"\n".join(bad) + b"\n")
    assert run.command("publish", "bad.jsonl") == 1
    run.command("run", "--events", "bad.jsonl", "--out", "embedded")
    assert run.command("cases", "show", mint.word("typed")) == 1
    case = ("cases", "decide", "ord-none", "--fraud", "--actor", "noura", "--reason")
    assert run.command(*case, f"{mint.name()} {mint.card()}") == 2
    assert run.command(*case, mint.name()) == 1


def plant(run: Run) -> None:
    """A canary in every kind of place, each written in another way."""
    words = {place: run.planted.word(place) for place in PLANTED}
    for topic in BEHIND:
        run.send(topic, b"", base64.b64encode(f"{words[topic]}@example.com".encode()).decode())
    run.producer.flush()
    Client.from_url(run.servers.redis.url).hset("planted", "field", words["redis"].upper())
    with connected(run.servers.database) as connection:
        connection.execute("CREATE TABLE planted (value bytea)")
        connection.execute("INSERT INTO planted VALUES (%s)", (words["database"].encode(),))
    (run.pipeline.folder / LOG).write_text(json.dumps({"event": escaped(words["log"]).decode()}))
    run.commands.append(words["command"][::-1])


def test_no_canary_is_behind_the_raw_topics(run: Run) -> None:
    fields = {
        place: {run.mint.made[canary] for canary in found - run.planted.made.keys()}
        for place, found in run.found.items()
    }
    leaks = {place: names - CONTRACTED.get(place, set()) for place, names in fields.items()}
    assert not any(leaks.values()), leaks


def test_the_same_search_finds_what_is_planted_in_each_kind_of_place(run: Run) -> None:
    found_in = {
        kind: {place for place, found in run.found.items() if word in found} for word, kind in run.planted.made.items()
    }
    assert found_in == PLANTED


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
    told = ORDERS // FLAGGED_EVERY
    assert len([record for record in run.pipeline.read(SHARED) if record.value]) == told + CLEARED + ERASED
    with connected(run.servers.database) as connection:
        kinds = connection.execute("SELECT kind, count(*) FROM sharing_disclosures GROUP BY kind").fetchall()
        waits = connection.execute("SELECT count(*) FROM sharing_waiting").fetchone()
    assert dict(kinds) == {
        "disclosure": 2 * told + CONFIRMED, "withdrawal": 2 * CLEARED, "deletion": 2 * ERASED,
    }  # fmt: skip
    assert waits == (CONFIRMED,)


def test_what_contracts_let_through_is_found_where_it_is_opened(run: Run) -> None:
    fields = {place: {run.mint.made.get(canary) for canary in run.found[place]} for place in CONTRACTED}
    assert fields == CONTRACTED


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
    assume(b"%" not in before[-2:])  # which would make the first digits part of an escape
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
