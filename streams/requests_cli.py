"""`amana requests`: requests of the law, for privacy officers."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.cards import holds_card_number
from events.options import TEXT
from streams.cli import FOLDER, PATH, options

if TYPE_CHECKING:
    from sharing.requests import Action, LawRequest

ROLES = click.option("--roles", envvar="AMANA_ROLES", type=PATH, default="var/roles.yaml", show_default=True,
                     help="Who is a privacy officer: lines like `noura: [privacy_officer]`.")  # fmt: skip
ACTOR = click.option("--actor", type=TEXT, envvar="AMANA_ACTOR", required=True, help="Who does it.")
JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


@click.group()
def requests() -> None:
    """Enter, approve, refuse, list and answer requests of the law. For privacy officers alone.

    A request names one case and the fields that are asked for. Two people approve it, neither of them the one who
    entered it; then it is answered with those fields of that case. Every step is an entry of the ledger.

    \b
    Examples:
      amana requests open LE-2026-0042 --case ord-1001 --field name --basis "Order 42, article 6" --actor noura
      amana requests approve LE-2026-0042 --actor saud
      amana requests answer LE-2026-0042 --actor noura
    """


@requests.command("open")
@click.argument("reference", type=TEXT)
@click.option("--case", "case_id", type=TEXT, required=True, help="The order's or the decision's id.")
@click.option(
    "--field", "fields", type=TEXT, multiple=True, required=True, help="A field that is asked for; several times."
)
@click.option("--basis", type=TEXT, required=True, help="By which law and order; 10 to 200 characters.")
@click.option(
    "--days", type=click.IntRange(1, 90), default=14, show_default=True, help="Until when it may be answered."
)
@click.option(
    "--partner", type=TEXT, default="law-enforcement", show_default=True, help="Who asks, as its contract names it."
)
@click.option("--contracts", envvar="AMANA_CONTRACTS", type=FOLDER, help="The folder of contracts.")
@ACTOR
@ROLES
@options("database")
def open_command(
    reference: str,
    case_id: str,
    fields: Sequence[str],
    basis: str,
    days: int,
    partner: str,
    contracts: Path | None,
    actor: str,
    roles: Path,
    database: str,
) -> None:
    """Enter a request. It is approved by two others.

    \b
    Example:
      amana requests open LE-2026-0042 --case ord-1001 --field name --basis "Order 42, article 6" --actor noura
    """
    from review.store import CaseStore
    from sharing.contracts import FOLDER as OURS
    from sharing.contracts import load
    from sharing.requests import LawRequest

    desk = _desk(database, actor, roles)
    now_ms = _now_ms()
    request = LawRequest(
        reference=reference,
        partner=partner,
        case_id=CaseStore(desk.sql).get(case_id).decision_id,
        fields=tuple(fields),
        basis=basis,
        asked_at_ms=now_ms,
        expires_at_ms=now_ms + int(timedelta(days=days).total_seconds() * 1000),
        asked_by=actor,
    )
    known = [load(path) for path in sorted((contracts or OURS).glob("*.yaml"))]
    contract = next((each for each in known if each.partner == partner and each.trigger == "requested"), None)
    with desk.begun() as connection:
        desk.requests.ask(connection, request, contract, now_ms)
    click.echo(f"{reference}: entered; two others approve it")


def _moving(action: "Action", said: str) -> click.Command:
    @click.argument("reference", type=TEXT)
    @ACTOR
    @ROLES
    @options("database")
    def command(reference: str, actor: str, roles: Path, database: str) -> None:
        request = _move(reference, action, actor, roles, database)
        click.echo(f"{reference}: {request.state}{said.format(approvals=len(request.approved_by))}")

    command.__doc__ = _DOCS[action]
    return requests.command(action)(command)


_DOCS: dict[str, str] = {
    "approve": """Approve a request that another person entered.

    \b
    Example:
      amana requests approve LE-2026-0042 --actor saud
    """,
    "refuse": """Refuse a request that was not answered yet.

    \b
    Example:
      amana requests refuse LE-2026-0042 --actor saud
    """,
    "answer": """Have an approved request answered: the projector tells exactly what it names.

    \b
    Example:
      amana requests answer LE-2026-0042 --actor noura
    """,
}
approve = _moving("approve", ", approved by {approvals}")
refuse = _moving("refuse", "")
answer = _moving("answer", "; the projector makes the message")


@requests.command("list")
@ACTOR
@ROLES
@options("database")
@JSON
def list_command(actor: str, roles: Path, database: str, as_json: bool) -> None:
    """List requests, with who did what when, and where that is on the ledger.

    \b
    Example:
      amana requests list --actor noura
    """
    import msgspec

    desk = _desk(database, actor, roles)
    with desk.begun() as connection:
        found = [(each, desk.requests.steps(connection, each.reference)) for each in desk.requests.all(connection)]
    if as_json:
        plain = [msgspec.to_builtins(request) | {"steps": msgspec.to_builtins(steps)} for request, steps in found]
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2))
        return
    for request, steps in found:
        until = datetime.fromtimestamp(request.expires_at_ms / 1000, UTC)
        click.echo(f"{request.reference}  {request.state}  case {request.case_id}  until {until:%Y-%m-%d}")
        click.echo(f"  {', '.join(request.fields)}; {request.basis}")
        for step in steps:
            at = datetime.fromtimestamp(step.at_ms / 1000, UTC)
            click.echo(f"  {at:%Y-%m-%d %H:%M}  {step.action} by {step.actor}, entry {step.place}")


class _Desk:
    """The database and the requests in it, opened for an officer alone."""

    def __init__(self, database: str) -> None:
        from sharing.asking import Requests
        from sharing.ledger.store import Ledger
        from streams.bootstrap.database import engine
        from streams.settings import Settings

        self.sql = engine(Settings(database=database))
        self.requests = Requests(Ledger(), os.urandom)

    def begun(self) -> Any:
        from sharing.projecting import begun

        return begun(self.sql)


def _desk(database: str, actor: str, path: Path) -> _Desk:
    from sharing import roles
    from sharing.requests import officer

    if not actor.isprintable() or not 1 <= len(actor) <= 64 or holds_card_number(actor):
        raise click.BadParameter("expected 1 to 64 printable characters", param_hint="--actor")
    officer(actor, roles.load(path))
    return _Desk(database)


def _move(reference: str, action: "Action", actor: str, roles: Path, database: str) -> "LawRequest":
    from review.triggers import put

    def then(connection: Any, request: "LawRequest") -> None:
        if action == "answer":
            put(connection, "requested", [request.case_id], request.reference)

    desk = _desk(database, actor, roles)
    with desk.begun() as connection:
        return desk.requests.move(connection, reference, action, actor, _now_ms(), then)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
