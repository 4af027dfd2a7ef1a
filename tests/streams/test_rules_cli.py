"""`amana rules` on files as a risk team has them."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from events.facts import Coordinates, Entities, OrderFact
from events.facts import encode as encode_fact
from features.definitions import DEFINITIONS
from history import parquet
from models.rules.source import DEFAULT_FILE
from streams.cli import main
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

WHO = "c" * 22
RULES = f"""\
lists:
- name: trusted
  of: customer
  members: [{WHO}]
rules:
- name: many-orders
  code: card.velocity
  when: card.orders.count.1h >= 4
  action: review
  owner: risk
  expiry: never
- name: trusted
  code: list.trusted
  when: entity.customer in lists.trusted
  action: approve
  owner: risk
  expiry: never
- name: dear-in-riyals
  code: order.amount
  when: event.currency == "SAR" and event.amount_minor >= 10_000
  action: block
  owner: risk
  expiry: 2026-03-01
  shadow: true
- name: risky
  code: some.points
  when: order.at_night > 0
  action: add_score
  score: 0.3
  owner: risk
  expiry: never
"""
CASES = f"""\
cases:
- name: a fourth order with a card
  order: {{card.orders.count.1h: 4}}
  expect: review
  codes: [card.velocity]
  shadow: []
- name: the same of a trusted customer
  order: {{card.orders.count.1h: 4, entity.customer: {WHO}}}
  expect: approve
  codes: [list.trusted, card.velocity]
- name: much money before the rule ceases
  order: {{event.currency: SAR, event.amount_minor: 10000}}
  at: 2026-02-28T23:59:59Z
  expect: approve
  shadow: [order.amount]
- name: much money after
  order: {{event.currency: SAR, event.amount_minor: 10000}}
  at: 2026-03-01
  expect: approve
  shadow: []
- name: points lift a score over the line
  order: {{order.at_night: 1}}
  score: 0.25
  expect: review
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def amana(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["rules", *map(str, arguments)], input=typed)


def test_a_good_file_is_told_by_its_hash_and_what_has_expired_is_named(rules: Path) -> None:
    result = amana("check", rules)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{rules}: set default, 3 rules, 1 shadow rules, hash ")
    assert result.stderr == f"{rules}: rule dear-in-riyals has expired: no order of today sets it off\n"


def test_the_rules_that_come_with_amana_pass_the_check() -> None:
    assert amana("check", DEFAULT_FILE).exit_code == 0


def test_a_rule_that_divides_by_zero_or_names_an_unknown_feature_is_shown_in_its_line(rules: Path) -> None:
    rules.write_text(RULES.replace("order.at_night > 0", "order.at_nigt / 0 > 0"))
    result = amana("check", rules)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {rules}:27:9: rule risky: when: unknown feature order.at_nigt; nearest: order.at_night\n"
        "    order.at_nigt / 0 > 0\n"
        "    ^^^^^^^^^^^^^\n"
    )
    rules.write_text(RULES.replace("order.at_night > 0", "order.at_night / 0 > 0"))
    assert f"{rules}:27:26: rule risky: when: divides by zero\n" in amana("check", rules).stderr


def test_cases_that_come_out_as_expected_are_counted(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "cases.yaml").write_text(CASES)
    result = amana("test", rules, tmp_path / "cases.yaml")
    assert (result.exit_code, result.stdout) == (0, "5 cases, 0 otherwise than expected\n")


def test_a_case_that_comes_out_otherwise_is_named_by_its_line(rules: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.replace("expect: review", "expect: block", 1).replace("codes: [card", "codes: [ip", 1))
    result = amana("test", rules, cases)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{cases}:2: a fourth order with a card: outcome: expected block, found review",
        f"{cases}:2: a fourth order with a card: codes: expected ip.velocity, found card.velocity",
        "5 cases, 1 otherwise than expected",
    ]


def test_mistakes_in_cases_are_named_without_what_was_written(rules: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES.replace(f"entity.customer: {WHO}", "entity.customer: noor@example.com, x.y: 1"))
    result = amana("test", rules, cases)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: {cases}:8:53: case the same of a trusted customer: entity.customer: the customer's pseudonym",
        f"{cases}:8:71: case the same of a trusted customer: unknown feature or field x.y",
    ]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("order: {event.currency: sar}", "event.currency: a currency of three capital letters (ISO 4217)"),
        ("order: {event.method: barter}", "event.method: one of bank_transfer, card, "),
        ("order: {event.categories: [phones, secrets]}", "event.categories: one of "),
        ("order: {event.amount_minor: -5}", "event.amount_minor: is never below 0"),
        ("order: {card.orders.count.1h: -1}", "card.orders.count.1h: is never below 0"),
        ("order: {order.at_night: 1}, score: 1.5", "score: expected a probability, 0 to 1"),
    ],
)
def test_a_case_of_an_order_that_cannot_be_is_a_mistake(rules: Path, tmp_path: Path, order: str, message: str) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(f"cases:\n- {{name: strange, {order}, expect: approve}}\n")
    result = amana("test", rules, cases)
    assert result.exit_code == 1
    assert f"case strange: {message}" in result.stderr


def test_points_may_be_judged_by_a_cost_table(rules: Path, tmp_path: Path) -> None:
    cases, costs = tmp_path / "cases.yaml", tmp_path / "costs.yaml"
    cases.write_text(
        "cases:\n- {name: cheap, order: {order.at_night: 1, order.amount_usd: 1}, score: 0.01, expect: approve}\n"
        "- {name: dear, order: {order.at_night: 1, order.amount_usd: 900}, score: 0.01, expect: review}\n"
    )
    costs.write_text("missed_fraud_cents: 1\n")
    assert amana("test", rules, cases, "--costs", costs).stdout == "2 cases, 0 otherwise than expected\n"
    assert "outcome: expected review, found approve" in amana("test", rules, cases).stdout
    costs.write_text("missed_fraud_cents: none\n")
    assert amana("test", rules, cases, "--costs", costs).exit_code == 1


def test_a_value_becomes_the_pseudonym_that_intake_would_give_and_is_not_printed(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    made = Keyring.create(keyring, os.urandom)
    result = amana("pseudonym", "email", "--keyring", keyring, typed="Noor@Example.COM\n\nb@example.com\n")
    name = Pseudonymiser(made)
    assert result.stdout.splitlines() == [name("email", "noor@example.com"), name("email", "b@example.com")]
    refused = amana("pseudonym", "email", "--keyring", keyring, typed="a@example.com\nnobody\n")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: line 2: that is no email of a form that intake takes\n"
    assert amana("pseudonym", "noor@example.com", "--keyring", keyring).stderr.count("noor") == 0
    assert amana("pseudonym", "promo", "--keyring", keyring, typed="\x00\n").exit_code == 1


def test_pseudonyms_of_before_a_rotation_are_brought_up_to_date(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    before = Pseudonymiser(Keyring.create(keyring, os.urandom))("customer", "c-1")
    after = Pseudonymiser(Keyring.rotate(keyring, "pseudonym", os.urandom))("customer", "c-1")
    given = ("pseudonym", "customer", "--keyring", keyring, "--from-version")
    assert amana(*given, "1", typed=before).stdout == f"{after}\n"
    assert amana(*given, "1", typed="c-1").stderr == "Error: line 1: expected a pseudonym\n"
    assert amana(*given, "7", typed=before).exit_code == 2


def past_orders(folder: Path) -> tuple[Path, Path]:
    """Four orders, with their facts; the second is fraud, of the last nothing is known."""
    facts = [
        OrderFact(
            source=Coordinates("orders", "T", 0, offset),
            event_id=f"e-{offset}",
            occurred_at_ms=1_772_000_000_000 + offset,
            recorded_at_ms=1_772_000_000_000,
            entities=Entities(customer=WHO if offset == 2 else "d" * 22),
            order_id=f"o-{offset}",
            amount_minor=amount,
            currency=currency,
            method="card",
        )
        for offset, (amount, currency) in enumerate([(1_000, "USD"), (20_000, "SAR"), (5_000, "USD"), (100, "XXX")])
    ]
    table = pd.DataFrame(np.full((4, len(DEFINITIONS.names)), np.nan), columns=list(DEFINITIONS.names))
    table["card.orders.count.1h"] = [1.0, 4.0, 5.0, 6.0]
    table = table.assign(
        decision_id=[fact.source.text() for fact in facts],
        order_id=[fact.order_id for fact in facts],
        occurred_at_ms=[fact.occurred_at_ms for fact in facts],
        amount_minor=[fact.amount_minor for fact in facts],
        currency=[fact.currency for fact in facts],
        label=[0, 1, 0, None],
    )
    parquet.write(table, folder / "v.parquet", DEFINITIONS.hash)
    (folder / "facts.jsonl").write_bytes(b"".join(encode_fact(fact) + b"\n" for fact in facts))
    return folder / "v.parquet", folder / "facts.jsonl"


def test_a_backtest_counts_what_each_rule_would_have_caught(rules: Path, tmp_path: Path) -> None:
    vectors, facts = past_orders(tmp_path)
    found = json.loads(amana("backtest", rules, "--vectors", vectors, "--facts", facts, "--json").stdout)
    by_rule = {each["name"]: each for each in found["by_rule"]}
    assert by_rule["many-orders"]["fired"] == {
        "orders": 3,
        "known": 2,
        "frauds": 1,
        "precision": 0.5,
        "usd": 103.33,
        "fraud_usd": 53.33,
        "genuine_usd": 50.0,
    }
    assert {name: each["fired"]["orders"] for name, each in by_rule.items()} == {
        "many-orders": 3,
        "trusted": 1,
        "dear-in-riyals": 1,
        "risky": 0,
    }
    assert {name: each["alone"] for name, each in by_rule.items()} == {
        "many-orders": 1,
        "trusted": 0,
        "dear-in-riyals": 0,
        "risky": 0,
    }
    assert {outcome: hits["orders"] for outcome, hits in found["outcomes"].items()} == {
        "approve": 2,
        "review": 2,
        "block": 0,
    }


def test_a_rule_that_looks_at_what_the_table_does_not_have_is_named(rules: Path, tmp_path: Path) -> None:
    vectors, facts = past_orders(tmp_path)
    result = amana("backtest", rules, "--vectors", vectors)
    assert result.exit_code == 0, result.stderr
    assert "many-orders" in result.stdout
    assert result.stderr == "rule trusted was not judged in full: no entity.customer\n"
    facts.write_bytes(facts.read_bytes().splitlines()[0])
    result = amana("backtest", rules, "--vectors", vectors, "--facts", facts)
    assert result.stderr == "Error: 3 of 4 orders are not in the facts given\n"
    facts.write_bytes(b"{}\n")
    result = amana("backtest", rules, "--vectors", vectors, "--facts", facts)
    assert result.stderr == f"Error: {facts}, line 1: expected a fact\n"
