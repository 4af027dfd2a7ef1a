"""The `amana` command as a whole: its help, its exit codes, `amana run` on files as users have them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from models.decisions import decode
from models.rules import hash_of
from streams import logs
from streams.cli import main
from tests.events.examples import body, order
from vault.keyring import Keyring

WORKERS = {"intake", "screen", "fallback", "opener", "run", "demo", "migrate"}


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, *path, name)


COMMANDS = dict(commands(main))
PATHS = sorted(COMMANDS)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: None)


def amana(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    result = amana(*path, "--help")
    assert result.exit_code == 0
    if not isinstance(COMMANDS[path], click.Group):
        assert "Example" in result.stdout
        assert f"amana {' '.join(path)}" in result.stdout


def test_every_room_has_its_commands() -> None:
    assert {path[0] for path in PATHS if path} >= WORKERS | {
        "cases",
        "features",
        "history",
        "keys",
        "models",
        "publish",
        "rules",
        "topics",
    }
    assert ("history", "serve") in COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run"], ["run", "--events", "no-such-file", "--out", "x"], ["screen", "--shards", "0"]],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert amana(*arguments).exit_code == 2


def test_a_stated_failure_is_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").touch()
    events = tmp_path / "events.jsonl"
    events.write_bytes(body(order()) + b"\n")
    result = amana("run", "--events", events, "--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path} holds another run; give a new folder, or remove it\n"


def test_a_file_with_broken_lines_is_screened_as_far_as_it_can_be(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    lines = [body(order()), b"{", b"\xff", b'{"type": "\xff"}', b"", body(order(order_id="o-2", event_id="e-2"))]
    events.write_bytes(b"\n".join(lines))
    result = amana("run", "--events", events, "--out", tmp_path / "out", "--models", tmp_path / "models")
    assert result.exit_code == 0, result.stderr
    assert "Screened" in result.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert (summary["events"], summary["decisions"], summary["refused"]) == (5, 2, 3)


def test_a_run_judges_by_the_rules_that_it_is_given_or_names_what_is_wrong_with_them(tmp_path: Path) -> None:
    events, rules = tmp_path / "events.jsonl", tmp_path / "rules.yaml"
    events.write_bytes(body(order()) + b"\n")
    rule = "{name: all, code: a.a, when: event.amount_minor >= 0, action: block, owner: risk, expiry: never}"
    given = ("run", "--events", events, "--models", tmp_path / "models", "--rules", rules, "--out")
    rules.write_text(f"rules:\n- {rule}\n")
    result = amana(*given, tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    (decision,) = (tmp_path / "out" / "decisions.jsonl").read_bytes().splitlines()
    assert (decode(decision).outcome, decode(decision).rules) == ("block", hash_of(rules.read_text()))
    rules.write_text(f"rules:\n- {rule.replace('amount_minor', 'amount')}\n")
    result = amana(*given, tmp_path / "other")
    assert result.exit_code == 1
    assert f"Error: {rules}:2:32: rule all: when: unknown field event.amount; " in result.stderr


def test_a_file_of_which_every_line_is_refused_is_a_stated_failure(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"{\n[]\n")
    result = amana("run", "--events", tmp_path / "events.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: every one of the 2 events was refused: ")
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["refused"] == 2


def test_a_worker_without_a_broker_says_where_it_looked_and_ends_with_1(tmp_path: Path) -> None:
    Keyring.create(tmp_path / "keyring.json", os.urandom)
    arguments = ["--brokers", "127.0.0.1:1", "--keyring", str(tmp_path / "keyring.json")]
    command = [sys.executable, "-m", "streams.cli", "intake", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stderr
    assert "no broker answered at 127.0.0.1:1: " in done.stderr.splitlines()[-1]


def test_an_empty_file_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    result = amana("run", "--events", tmp_path / "events.jsonl", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["decisions"] == 0


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    result = amana("run", "--events", folder, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


def test_an_output_folder_that_is_a_file_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    result = amana("run", "--events", tmp_path / "events.jsonl", "--out", tmp_path / "events.jsonl")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


def test_a_demo_removes_nothing_but_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    result = amana("demo", "--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path} holds something else; give a new folder, or an earlier demo's\n"
    assert (tmp_path / "thesis.txt").exists()


def test_the_databases_tables_are_made_and_made_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert amana("migrate", "--database", f"sqlite:///{tmp_path}/amana.db").exit_code == 0
    assert (tmp_path / "amana.db").exists()
