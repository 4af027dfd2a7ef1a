import base64
from pathlib import Path

import pytest
from click.testing import CliRunner

from vault.cli import keys
from vault.keyring import PURPOSES, Keyring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


def test_init_rotate_and_show_tell_purposes_and_versions_and_never_a_key(path: Path) -> None:
    outputs = [
        CliRunner().invoke(keys, arguments)
        for arguments in (
            ["init", str(path)],
            ["rotate", "pseudonym", "--keyring", str(path)],
            ["show", "--keyring", str(path)],
        )
    ]
    assert [result.exit_code for result in outputs] == [0, 0, 0]
    assert outputs[-1].output.splitlines() == [
        str(path),
        "  pseudonym    versions 1 to 2",
        "  envelope     version 1",
        "  blind_index  version 1",
        "  disclosure   version 1",
        "  partner      version 1",
        "  token        version 1",
        "  ledger       version 1",
    ]
    held = [base64.b64encode(key).decode() for purpose in PURPOSES for key in Keyring.load(path).keys(purpose)]
    assert not any(key in result.output for key in held for result in outputs)
    assert len(set(held)) == 8


def test_a_second_init_fails_with_one_line(path: Path) -> None:
    CliRunner().invoke(keys, ["init", str(path)])
    result = CliRunner().invoke(keys, ["init", str(path)])
    assert result.exit_code == 1
    assert result.stderr == f"Error: {path}: already exists; a keyring is never overwritten\n"


def test_a_stage_gets_the_purposes_that_it_needs_and_no_key_is_printed(path: Path) -> None:
    CliRunner().invoke(keys, ["init", str(path)])
    part = path.with_name("ledger.json")
    result = CliRunner().invoke(keys, ["part", str(part), "--purpose", "ledger", "--keyring", str(path)])
    assert (result.exit_code, result.output) == (0, f"{part}\n  ledger       version 1\n")
    assert CliRunner().invoke(keys, ["part", str(part), "--keyring", str(path)]).exit_code == 2


def test_the_path_may_come_from_the_environment(path: Path) -> None:
    CliRunner().invoke(keys, ["init", str(path)])
    assert CliRunner().invoke(keys, ["show"], env={"AMANA_KEYRING": str(path)}).exit_code == 0


def test_an_unknown_purpose_is_a_usage_error(path: Path) -> None:
    assert CliRunner().invoke(keys, ["rotate", "signing", "--keyring", str(path)]).exit_code == 2


@pytest.mark.parametrize("arguments", [[], ["init"], ["rotate"], ["part"], ["show"]])
def test_help_has_examples_on_lines_of_their_own(arguments: list[str]) -> None:
    shown = CliRunner().invoke(keys, [*arguments, "--help"]).output.splitlines()
    assert any(line.strip().startswith("amana keys ") for line in shown)
