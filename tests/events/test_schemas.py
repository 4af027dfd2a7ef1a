import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from events import schemas, topics
from tests.events.examples import ACTIVITIES, activity, label, order, spoilt, visit


def validator(topic: str) -> Draft202012Validator:
    schema = json.loads((schemas.FOLDER / f"{topic}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_committed_schemas_are_current() -> None:
    assert schemas.stale(schemas.FOLDER) == []


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (topics.ORDERS, order()),
        (topics.VISITS, visit()),
        *((topics.ACTIVITY, activity(kind)) for kind in ACTIVITIES),
        (topics.LABELS, label("FraudConfirmed")),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
def test_a_valid_event_meets_its_topics_schema(topic: str, event: dict[str, Any]) -> None:
    validator(topic).validate(event)


@pytest.mark.parametrize(
    "event",
    [
        order(note="x"),
        order(amount_minor=-1),
        order(customer_id="layla@example.com"),
        spoilt(order(), "payment.last4", "1"),
    ],
)
def test_what_the_guard_refuses_the_schema_refuses(event: dict[str, Any]) -> None:
    assert not validator(topics.ORDERS).is_valid(event)


def test_facts_have_a_schema() -> None:
    assert not validator(topics.FACTS).is_valid({"fact": "order"})


def test_changed_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    schemas.write(tmp_path)
    assert schemas.stale(tmp_path) == []
    (tmp_path / "orders.json").write_text("{}", encoding="utf-8")
    (tmp_path / "labels.json").unlink()
    (tmp_path / "letters.json").write_text("{}", encoding="utf-8")
    assert schemas.stale(tmp_path) == ["labels.json", "letters.json", "orders.json"]


def test_the_check_is_a_command() -> None:
    assert subprocess.run([sys.executable, "-m", "events.schemas", "--check"], check=False).returncode == 0
