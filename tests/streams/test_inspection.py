"""`amana features show` and `entity`: numbers with their definitions, and never a raw value."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from events.facts import Coordinates
from features.definitions import DEFINITIONS
from history.database import make_engine, upgrade
from history.index import Index
from streams.cli import main
from streams.errors import Unusable
from streams.inspection import NAMED_BY, canonical_form
from streams.intake import Intake, RawRecord
from tests.events.examples import CARD, body, order
from tests.streams.logs_of_facts import decided
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


@pytest.fixture
def database(tmp_path: Path, embedded_redis: Any) -> str:
    url = f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(url)
    upgrade(engine)
    Index(engine).record([(decision, 0) for decision in decided(embedded_redis.url, [order_fact(0, 0)])])
    engine.dispose()
    return url


def test_each_number_of_a_decision_is_printed_with_its_definition(database: str) -> None:
    result = amana("show", "o-0-0", "--database", database)
    assert result.exit_code == 0, result.stderr
    for name in DEFINITIONS.names:
        assert name in result.stdout
    assert "orders-id:0:0, 2026-01-01T00:00:00.000+00:00" in result.stdout
    assert "absent" in result.stdout


def test_a_decision_of_other_definitions_is_not_given_names(database: str) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("update history_decisions set definitions = 'older'")
    engine.dispose()
    result = amana("show", "o-0-0", "--database", database)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: decision orders-id:0:0 was made on definitions older, expected ")


def test_an_unknown_order_is_a_stated_failure(database: str) -> None:
    result = amana("show", "o-9", "--database", database)
    assert (result.exit_code, result.stderr) == (1, "Error: no decision with a vector is known of that order\n")
