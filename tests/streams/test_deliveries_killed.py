"""Deliverers and endpoints that are killed again and again: nothing is lost, nothing leaves past the ledger."""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import sqlalchemy as sa
from kafka import KafkaConsumer, KafkaProducer

from events import admin
from events.topics import share_ack_topic, share_specs, share_topic
from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery import outbox
from sharing.tables import disclosures
from tests.harness import Kafka, Postgres, wait_until
from tests.sharing.delivery.fakes import Desktop, jti
from tests.streams.delivering import KIND, Premises

PUSHED, POLLED, READ = "pushed", "polled", "read"
ROUNDS = 5
EACH = 40  # messages to each partner a round; every fourth is withdrawn in the next
LEASE_S = 12


class Received:
    """What a partner got: every time, by its id."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.got: list[tuple[str, bytes]] = []

    def repeats(self) -> int:
        return len(self.got) - len(set(self.got))


class Push(Received):
    """Takes what is pushed; one in ten times it is out of order."""

    def __init__(self, store: "Store") -> None:
        super().__init__()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sealed = self.rfile.read(int(self.headers["Content-Length"]))
                failing = secrets.randbelow(10) == 0
                if not failing:
                    receiver.got.append((store.ids[sealed], sealed))
                time.sleep(0.02)
                self.send_response(503 if failing else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Poll(Received):
    """Polls for ever, and says again what it could not say."""

    def work(self, premises: Premises) -> None:
        partner, acks = premises.partners[POLLED], []
        with httpx2.Client(base_url=premises.issuer, trust_env=False, timeout=10) as client:
            while not self.stop.is_set():
                try:
                    bearer = {"Authorization": f"Bearer {token(client, premises, partner)}"}
                    client.post("/ssf/stream", json={}, headers=bearer)
                    (stream,) = client.get("/ssf/stream", headers=bearer).json()
                    while not self.stop.wait(0.05):
                        asked = {"maxEvents": 7, "returnImmediately": True, "ack": acks}
                        path = stream["delivery"]["endpoint_url"]
                        answer = client.post(path, json=asked, headers=bearer).raise_for_status()
                        sets = answer.json()["sets"]
                        self.got += [(told, sealed.encode()) for told, sealed in sets.items()]
                        acks = list(sets)
                except httpx2.HTTPError:
                    self.stop.wait(0.2)


def token(client: httpx2.Client, premises: Premises, partner: Any) -> str:
    form = {"grant_type": "client_credentials", "client_assertion_type": KIND}
    form["client_assertion"] = partner.asserts(f"{premises.issuer}/oauth/token")
    return str(client.post("/oauth/token", data=form).raise_for_status().json()["access_token"])


class Read(Received):
    """Reads its topic and acknowledges each record with a signature."""

    def work(self, premises: Premises, brokers: str) -> None:
        consumer: Any = KafkaConsumer(share_topic(READ), bootstrap_servers=brokers, auto_offset_reset="earliest")
        producer: Any = KafkaProducer(bootstrap_servers=brokers)
        partner = premises.partners[READ]
        try:
            while not self.stop.is_set():
                for records in consumer.poll(timeout_ms=200).values():
                    for record in records:
                        told = record.key.decode()
                        self.got.append((told, record.value))
                        own = secrets.token_urlsafe(16)
                        now_ms = round(time.time() * 1000)
                        said = partner.acknowledges(told, own=own, now_ms=now_ms, aud=premises.issuer)
                        producer.send(share_ack_topic(READ), said)
        finally:
            producer.close()
            consumer.close()


class Store:
    """The projector's part: messages, and some that it takes back."""

    def __init__(self, database: str) -> None:
        self.engine = make_engine(database)
        migrate(self.engine, MIGRATIONS, LOCK)
        self.desktop = Desktop(self.engine)
        self.ids: dict[bytes, str] = {}
        self.withdrawn: set[str] = set()
        self._next = 0

    def tell(self, partner: str, takes_back: list[int]) -> list[int]:
        """EACH new messages, and a withdrawal for each of those to take back."""
        told = []
        for n in range(EACH):
            number, self._next = self._next, self._next + 1
            self.ids[f"sealed-{number}".encode()] = jti(number)
            now_ms = round(time.time() * 1000)
            if n < len(takes_back):
                self.desktop.tell(number, partner, "withdrawal", takes_back[n], now_ms)
                self.withdrawn.add(jti(takes_back[n]))
            else:
                self.desktop.tell(number, partner, now_ms=now_ms)
                told.append(number)
        return told[::4]

    def smuggle(self, partner: str) -> None:
        """A row past the ledger."""
        name = secrets.token_urlsafe(16)
        with self.engine.begin() as connection:
            outbox.put(connection, name, partner, b"smuggled", True, round(time.time() * 1000))

    def states(self) -> dict[str, str]:
        with self.engine.connect() as connection:
            return dict(connection.execute(sa.select(disclosures.c.jti, disclosures.c.state)).all())


@pytest.fixture
def servers() -> Iterator[tuple[Kafka, str]]:
    with Kafka() as kafka, Postgres() as postgres:
        yield kafka, postgres.create_database("amana")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_and_nothing_leaves_past_the_ledger(servers: tuple[Kafka, str], tmp_path: Path) -> None:
    kafka, database = servers
    store = Store(database)
    push, poll, read = Push(store), Poll(), Read()
    premises = Premises(tmp_path, database, {PUSHED: push.url, POLLED: None, READ: None})
    client = admin.connect(kafka.brokers)
    admin.create_topics(client, 3, specs=[spec for name in premises.partners for spec in share_specs(name)])
    client.close()
    premises.push(store.engine, PUSHED)
    threads = [
        threading.Thread(target=poll.work, args=(premises,)),
        threading.Thread(target=read.work, args=(premises, kafka.brokers)),
    ]
    for thread in threads:
        thread.start()
    try:
        suffer(premises, store, kafka.brokers, [push, poll, read])
        wait_until(lambda: is_settled(store), 240, f"every answer, see {tmp_path}")
    finally:
        for received in (push, poll, read):
            received.stop.set()
        for thread in threads:
            thread.join()
        push.close()
        premises.close()
    judge(store, {PUSHED: push, POLLED: poll, READ: read}, tmp_path / "figures.json")
    store.engine.dispose()


def suffer(premises: Premises, store: Store, brokers: str, all_received: list[Received]) -> None:
    """Rounds of messages, in each of which both processes are killed while they work; they run when it returns."""
    takes_back: dict[str, list[int]] = {name: [] for name in premises.partners}
    for _ in range(ROUNDS):
        premises.deliverer(brokers, "--lease", str(LEASE_S))
        premises.api()
        before = [len(received.got) for received in all_received]
        for name in premises.partners:
            takes_back[name] = store.tell(name, takes_back[name])
            store.smuggle(name)
        for received, count in zip(all_received, before, strict=True):
            wait_until(lambda r=received, c=count: len(r.got) > c + 3, 120, "messages of this round")  # type: ignore[misc]
        premises.kill("deliverer")
        premises.kill("partner-api")
    premises.deliverer(brokers, "--lease", str(LEASE_S))
    premises.api()


def is_settled(store: Store) -> bool:
    return set(store.states().values()) <= {"acknowledged", "withdrawn"}


def judge(store: Store, received: dict[str, Received], out: Path) -> None:
    states = store.states()
    got = [pair for each in received.values() for pair in each.got]
    assert len(states) == ROUNDS * EACH * len(received)
    # Lost: told and not taken back, and never received.
    assert {told for told in states if told not in store.withdrawn} - {told for told, _ in got} == set()
    # Repeats carry the same id: an id stands for the same bytes wherever it came.
    assert all(store.ids[sealed] == told for told, sealed in got)
    with store.engine.connect() as connection:
        held = [store.desktop.ledger.holds(connection, hashlib.sha256(sealed).digest()) for sealed in store.ids]
        answered = connection.scalar(
            sa.select(sa.func.count()).select_from(disclosures).where(disclosures.c.answered_at_ms.is_not(None))
        )
        smuggled = [dead for dead in outbox.dead_letters(connection) if dead.reason == "unledgered"]
    # Unledgered: whatever was received is a message that has a leaf.
    assert all(held)
    assert len(smuggled) == ROUNDS * len(received)
    assert len([leaf for leaf in store.desktop.answers() if leaf.answer != "overdue"]) == answered
    repeats = {name: each.repeats() for name, each in received.items()}
    figures = {"messages": len(states), "receipts": len(got), "repeats": repeats, "kills": ROUNDS * 2}
    out.write_bytes(msgspec.json.encode(figures))
