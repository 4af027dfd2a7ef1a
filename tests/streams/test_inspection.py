"""`amana features show` and `entity`: numbers with their definitions, and never a raw value."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from events.facts import AnyFact, Coordinates
from features.definitions import DEFINITIONS
from history.database import make_engine, upgrade
from history.index import Index
from streams.cli import main
from streams.errors import Unusable
from streams.inspection import NAMED_BY, canonical_form
from streams.intake import Intake, RawRecord
from tests.events.examples import CARD, body, order
from tests.streams.logs_of_facts import MINUTE_MS, START_MS, decided, write_facts
from tests.streams.logs_of_facts import order as order_fact
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

AT_MS = 1_763_806_272_000
VALUES = {
    "customer": "c-1",
    "card": "tok-1",
    "device": "d-1",
    "session": "s-1",
    "ip": "203.0.113.7",
    "network": "203.0.113.7",
    "email": "Layla.Otaibi+shop@Gmail.com",
    "phone": "050 123 4567",
    "address": '{"lines":["Olaya Street 9"],"city":"Riyadh","postal_code":"12345","country":"SA"}',
    "seller": "m-1",
}


def amana(*arguments: str, given: str | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["features", *arguments], input=given)


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    Keyring.create(tmp_path / "keyring.json", os.urandom)
    return tmp_path / "keyring.json"


@pytest.mark.parametrize("kind", NAMED_BY)
def test_a_value_gets_the_pseudonym_that_intake_gives_it(keyring: Path, kind: str) -> None:
    name = Pseudonymiser(Keyring.load(keyring))
    record = RawRecord(Coordinates("orders", "id", 0, 0), AT_MS, body(order()))
    (fact,) = Intake(name).take([record]).facts
    assert name(kind, canonical_form(kind, VALUES[kind], "SA")) == getattr(fact.entities, kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "nobody"),
        ("phone", "12"),
        ("ip", "300.1.1.1"),
        ("network", "x"),
        ("card", "a token"),
        ("card", CARD),
        ("email", CARD),
        ("address", "Olaya Street 9"),
        ("address", '{"lines":["Olaya Street 9"]}'),
        ("address", '{"country":"SA"}'),
        ("customer", ""),
    ],
)
def test_a_value_that_intake_would_not_take_is_refused_without_saying_it(kind: str, value: str) -> None:
    with pytest.raises(Unusable) as caught:
        canonical_form(kind, value)
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("shown", [True, False], ids=["given", "read"])
def test_an_entitys_numbers_are_printed_and_its_value_is_not(keyring: Path, embedded_redis: Any, shown: bool) -> None:
    now_ms = time.time_ns() // 1_000_000
    record = RawRecord(Coordinates("orders", "id", 0, 0), now_ms, body(order()))
    (fact,) = Intake(Pseudonymiser(Keyring.load(keyring))).take([record]).facts
    decided(embedded_redis.url, [msgspec.structs.replace(fact, occurred_at_ms=now_ms)])
    value = VALUES["email"]
    result = amana(
        *("entity", "email", "--email", value if shown else "-"),
        *("--redis", embedded_redis.url, "--keyring", str(keyring)),
        given=None if shown else f"{value}\n",
    )
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "email.orders.count.1h" in line]
    assert line.split()[3] == "1"
    assert "layla" not in result.output.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ("entity", "layla@example.com"),
        ("entity", "email", "layla@example.com"),
        ("entity", "email", "--email", "layla@example.com", "layla@example.com"),
        ("entity", "email", "--phone", "layla@example.com"),
        ("entity", "email", "--email", "layla@example.com", "--phone", "layla@example.com"),
        ("entity", "email"),
    ],
)
def test_wrong_usage_does_not_repeat_what_was_given(arguments: tuple[str, ...]) -> None:
    result = amana(*arguments)
    assert result.exit_code == 2
    assert "layla" not in result.output


def test_an_entity_that_was_never_seen_is_a_stated_failure(keyring: Path, embedded_redis: Any) -> None:
    decided(embedded_redis.url, [])
    arguments = ("entity", "card", "--psp-token", "tok-9", "--redis", embedded_redis.url, "--keyring", str(keyring))
    result = amana(*arguments)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the feature store knows nothing of that card: never seen under this keyring, or long ago\n",
    )


@pytest.mark.parametrize(
    ("redis", "exit_code", "said"),
    [
        (
            "redis://u:secret@127.0.0.1:1/0",
            1,
            "Error: the feature store at redis://127.0.0.1:1/0 did not answer: ConnectionError",
        ),
        ("http://secret@here", 2, "Error: Invalid value for '--redis': expected redis://HOST:PORT/0, "),
    ],
)
def test_a_store_that_is_not_there_is_a_stated_failure(keyring: Path, redis: str, exit_code: int, said: str) -> None:
    result = amana("entity", "card", "--psp-token", "tok-9", "--redis", redis, "--keyring", str(keyring))
    assert result.exit_code == exit_code
    assert said in result.stderr
    assert "secret" not in result.output
    assert "tok-9" not in result.output


LOG = [order_fact(0, 0), order_fact(1, 20), order_fact(2, 50)]


@pytest.fixture
def database(tmp_path: Path, embedded_redis: Any) -> str:
    url = f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(url)
    upgrade(engine)
    Index(engine).record([(decision, 0) for decision in decided(embedded_redis.url, LOG)])
    engine.dispose()
    return url


def show(folder: Path, database: str, order_id: str, *arguments: str, log: Sequence[AnyFact] = LOG) -> Result:
    facts = write_facts(folder / "facts.jsonl", log)
    return amana("show", order_id, "--database", database, "--facts", str(facts), *arguments)


def numbers(result: Result) -> dict[str, Any]:
    (decided_on,) = json.loads(result.stdout)
    return {line["feature"]: line for line in decided_on["numbers"]}


def test_each_number_of_a_decision_is_printed_with_its_definition_and_its_facts(tmp_path: Path, database: str) -> None:
    result = show(tmp_path, database, "o-0-2")
    assert result.exit_code == 0, result.stderr
    for name in DEFINITIONS.names:
        assert name in result.stdout
    assert "orders-id:0:2, 2026-01-01 00:50:00.000 UTC" in result.stdout
    assert f"The facts of the log give all of these {len(DEFINITIONS.names)} numbers." in result.stdout
    assert "absent" in result.stdout
    assert "c" * 22 not in result.output  # not even a pseudonym


def test_a_count_is_printed_with_its_window_its_classes_and_its_newest_facts(tmp_path: Path, database: str) -> None:
    result = show(tmp_path, database, "o-0-2", "--feature", "customer.orders.count.1h", "--json")
    assert numbers(result)["customer.orders.count.1h"]["inputs"] == [
        {
            "number": "customer.orders.count.1h",
            "value": 2.0,
            "from_ms": START_MS - 10 * MINUTE_MS,
            "until_ms": START_MS + 51 * MINUTE_MS,
            "classes": {"order": 2},
            "newest": [
                {"event": "orders:0:1", "of_class": "order", "occurred_at_ms": START_MS + 20 * MINUTE_MS},
                {"event": "orders:0:0", "of_class": "order", "occurred_at_ms": START_MS},
            ],
        }
    ]


def test_a_formula_is_printed_with_the_numbers_it_is_made_of(tmp_path: Path, database: str) -> None:
    mean = numbers(show(tmp_path, database, "o-0-2", "--feature", "card.orders.mean.*", "--json"))
    inputs = mean["card.orders.mean.24h"]["inputs"]
    assert [(each["number"], each["value"]) for each in inputs] == [
        ("card.orders.sum.24h", 1000.0),
        ("card.orders.count.24h", 1.0),
    ]
    assert list(mean) == ["card.orders.mean.24h", "card.orders.mean.30d"]


def test_a_number_that_the_facts_do_not_give_is_said_to_be_so(tmp_path: Path, database: str) -> None:
    pattern = ("--feature", "customer.orders.count.*")
    result = show(tmp_path, database, "o-0-2", *pattern, log=LOG[1:])
    assert result.exit_code == 0
    assert "do not give 4 of these 5 numbers: customer.orders.count.1h" in " ".join(result.stdout.split())
    found = numbers(show(tmp_path, database, "o-0-2", *pattern, "--json", log=LOG[1:]))["customer.orders.count.1h"]
    assert (found["value"], found["recomputed"]) == (2.0, 1.0)


def test_without_the_orders_fact_or_any_broker_the_numbers_are_printed_alone(tmp_path: Path, database: str) -> None:
    result = show(tmp_path, database, "o-0-2", log=LOG[:2])
    assert "the log does not hold the order's fact" in result.stdout
    assert "customer.orders.count.1h" in result.stdout
    alone = amana("show", "o-0-2", "--database", database, "--brokers", "127.0.0.1:1", "--json")
    assert alone.stderr.splitlines()[-1] == (
        "not shown, what the numbers come from: no broker answered at 127.0.0.1:1: KafkaConnectionError; "
        "--facts names a file of them"
    )
    assert numbers(alone)["customer.orders.count.1h"]["value"] == 2.0


def test_a_database_that_is_not_there_is_a_stated_failure_and_is_not_made(tmp_path: Path) -> None:
    result = show(tmp_path, f"sqlite:///{tmp_path}/typo/amana.db", "o-0-2")
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}/typo/amana.db: no such database\n")
    assert not (tmp_path / "typo").exists()


def test_a_pattern_of_no_feature_is_a_stated_failure(tmp_path: Path, database: str) -> None:
    result = show(tmp_path, database, "o-0-2", "--feature", "cards.*")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: no feature has a name of that pattern; docs/features.md has them all\n",
    )


def test_a_decision_of_other_definitions_is_not_given_names(tmp_path: Path, database: str) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("update history_decisions set definitions = 'older'")
    engine.dispose()
    result = show(tmp_path, database, "o-0-0")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: decision orders-id:0:0 was made on definitions older, expected ")


def test_an_unknown_order_is_a_stated_failure(database: str) -> None:
    result = amana("show", "o-9", "--database", database)
    assert (result.exit_code, result.stderr) == (1, "Error: no decision with a vector is known of that order\n")
