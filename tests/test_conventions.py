"""What every room and every command owes its reader."""

import runpy
import tomllib
from pathlib import Path

import click
import pytest

from streams.cli import main

ROOT = Path(__file__).parents[1]
ROOMS = ("events", "features", "history", "models", "review", "sharing", "simulator", "streams", "vault")
DOCS = runpy.run_path(str(ROOT / "docs" / "cli_reference.py"))
COMMANDS: list[click.Context] = list(DOCS["commands"](main, None))
REFERENCE = DOCS["reference"]()  # before any test: click remembers how a command's help option was named first


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_comes_in_what_goes_out_and_what_it_never_does(room: str) -> None:
    text = (ROOT / room / "__init__.py").read_text()
    assert all(f"\n{start}" in text for start in ("In: ", "Never: ")), room
    assert "Out: " in text, room


def test_no_file_is_longer_than_one_idea() -> None:
    sources = [path for folder in (*ROOMS, "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 50
    assert [str(path) for path in sources if len(path.read_text().splitlines()) > 450] == []


def test_a_built_package_holds_what_the_rooms_hold() -> None:
    """Pages, schemas and scripts are no modules: setuptools takes those alone that pyproject.toml names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {pattern.rpartition(".")[2] for pattern in settings["package-data"]["*"]}
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.*") if "__pycache__" not in path.parts]
    assert {path.suffix[1:] for path in files if path.is_file()} == packed | {"py"}


@pytest.mark.parametrize("context", COMMANDS, ids=lambda context: context.command_path.replace(" ", "-"))
def test_a_command_says_what_it_does(context: click.Context) -> None:
    assert context.command.help


@pytest.mark.parametrize("context", COMMANDS, ids=lambda context: context.command_path.replace(" ", "-"))
def test_no_option_begins_as_one_that_faust_takes_from_the_command_line_when_it_is_imported(
    context: click.Context,
) -> None:
    # faust/__init__.py looks through sys.argv itself: `--loopback` made it import an event loop named by what followed.
    options = [name for parameter in context.command.params for name in parameter.opts]
    assert [name for name in options if name.startswith(("--loop", "--datadir")) or name == "-L"] == []


def test_the_command_reference_is_up_to_date() -> None:
    assert DOCS["PATH"].read_text() == REFERENCE, "run: make docs"


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    phony = next(line for line in lines if line.startswith(".PHONY")).split()[1:]
    described = {line.split(":")[0] for line in lines if " ## " in line and not line.startswith("\t")}
    assert set(phony) == described


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    listed = (folder / "README.md").read_text()
    for path in folder.glob("0*.md"):
        assert f"({path.name})" in listed, path.name
        text = path.read_text()
        parts = ("## Context", "## Decision", "## Consequences", "## What would change our mind")
        assert [part for part in parts if part not in text] == [], path.name
