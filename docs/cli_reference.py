"""Writes docs/cli.md: every command's own help. `make docs` runs it; a test fails when the file is out of date."""

from collections.abc import Iterator
from pathlib import Path

import click

from streams.cli import main

PATH = Path(__file__).with_name("cli.md")
_WIDTH = 110


def reference() -> str:
    return "\n".join(
        ["# Commands", "", "Written by `make docs` from the commands' own help.", "", *_sections(main, None)]
    )


def commands(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    """A context for the command and all below it, in the order of their names."""
    name = command.name if parent else "amana"
    context = click.Context(command, parent=parent, info_name=name, terminal_width=_WIDTH)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from commands(found, context)


def _sections(command: click.Command, parent: click.Context | None) -> Iterator[str]:
    for context in commands(command, parent):
        yield from (f"## {context.command_path}", "", "```text", context.get_help(), "```", "")


if __name__ == "__main__":
    PATH.write_text(reference())
