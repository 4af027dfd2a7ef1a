"""`amana roles`: what each process may do in PostgreSQL."""

from pathlib import Path

import click

from events.options import TEXT


@click.group()
def roles() -> None:
    """Give each process its own role in PostgreSQL, with the least rights that it can work with.

    \b
    Example:
      amana roles grant --database postgresql+psycopg://amana@127.0.0.1/amana --secrets var/secrets
    """


@roles.command()
@click.option("--database", type=TEXT, envvar="AMANA_DATABASE", help="SQLAlchemy address, as the tables' owner.")
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Set the passwords that are in this folder, as ROLE/postgres.password.",
)
@click.option("--print", "shown", is_flag=True, help="Print the statements, and do nothing.")
def grant(database: str | None, secrets: Path | None, shown: bool) -> None:
    """Make the roles that are missing and grant what docs/security.md says, no more. Run it after `amana migrate`.

    \b
    Examples:
      amana roles grant --database postgresql+psycopg://amana@127.0.0.1/amana --secrets var/secrets
      amana roles grant --print
    """
    from history.database import make_engine
    from streams import roles as table
    from streams.secrets import postgres_passwords

    if shown:
        click.echo("\n".join(f"{statement};" for statement in table.statements()))
        return
    if database is None:
        raise click.UsageError("expected --database or --print")
    engine = make_engine(database)
    try:
        new = table.grant(engine, postgres_passwords(secrets) if secrets is not None else {})
    finally:
        engine.dispose()
    click.echo(f"{len(table.ROLES)} roles as they should be, {len(new)} of them new")
