"""`amana cases`: the queue, one case, a verdict; every personal value masked."""

import os
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar, get_args

import click
import msgspec
import sqlalchemy as sa
from click.core import ParameterSource
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from events.cards import holds_card_number
from events.errors import AmanaError
from events.options import BROKERS, TEXT
from events.publisher import Publisher
from events.questions import InformationAsked
from events.topics import DECISIONS, QUESTIONS
from events.types import LabelEvent
from history.database import existing
from models.decisions import Decision, Outcome, encode
from review.cases import Case, Verdict
from review.database import upgrade
from review.desk import Desk
from review.erasing import cases_of, subject_of
from review.erasing import erase as erase_subject
from review.store import CaseStore, SubjectKeyTable
from review.views import CaseView, opened, summary
from review.workflow import STATES, State
from vault.envelopes import Envelopes
from vault.errors import VaultError
from vault.keyring import Keyring

P = ParamSpec("P")
T = TypeVar("T")

_STATUSES: dict[str, State | None] = {**{state: state for state in STATES}, "all": None}

database_option = click.option(
    "--database",
    type=TEXT,
    envvar="AMANA_DATABASE",
    required=True,
    help="SQLAlchemy address, e.g. sqlite:///var/amana.db.",
)
keyring_option = click.option(
    "--keyring",
    envvar="AMANA_KEYRING",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key file that cases are sealed with.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


def stated(command: Callable[P, T]) -> Callable[P, T]:
    """A stated failure is one line on stderr and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (AmanaError, VaultError) as error:
            raise click.ClickException(str(error)) from None
        except sa.exc.SQLAlchemyError as error:
            raise click.ClickException(f"the database failed: {type(error).__name__}") from None

    return run


def labels_options(command: Callable[P, T]) -> Callable[P, T]:
    """Where labels go: to Kafka, or to a file."""
    to_file = click.option(
        "--labels-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Append labels to a JSONL file instead (embedded use).",
    )
    to_brokers = click.option(
        "--brokers", envvar="AMANA_BROKERS", type=BROKERS, help="Publish labels to Kafka, e.g. 127.0.0.1:9092."
    )
    return to_brokers(to_file(command))


@click.group()
def cases() -> None:
    """List, show and decide cases: flagged orders in front of analysts.

    \b
    Examples:
      amana cases list --database sqlite:///var/amana.db
      amana cases show ord-1001 --keyring var/keyring.json
      amana cases decide ord-1001 --fraud --reason "card tested" --actor noura --brokers 127.0.0.1:9092
    """


@cases.command("list")
@database_option
@click.option("--status", type=click.Choice(list(_STATUSES)), default="open", show_default=True, help="Of which cases.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@json_option
@stated
def list_command(database: str, status: str, limit: int, as_json: bool) -> None:
    """List cases, the newest first. Needs no key: what is personal stays sealed.

    \b
    Examples:
      amana cases list --database sqlite:///var/amana.db
      amana cases list --status decided --limit 10 --json
    """
    views = [summary(case) for case in CaseStore(opened_database(database)).list(_STATUSES[status], limit=limit)]
    if as_json:
        _print_json(views)
    else:
        Console().print(_queue(views))


@cases.command()
@click.argument("case_id", type=TEXT, metavar="ORDER_ID")
@database_option
@keyring_option
@json_option
@stated
def show(case_id: str, database: str, keyring: Path, as_json: bool) -> None:
    """Show one case, by its order's or its decision's id, personal values masked.

    Reasons are codes, and in words: English (`why`) and Arabic (`why_ar`), with the numbers behind them.
    Its path has the last pages of the order's session: route template, seconds since the page before, status.

    \b
    Example:
      amana cases show ord-1001 --database sqlite:///var/amana.db --keyring var/keyring.json
    """
    engine = opened_database(database)
    view = opened(CaseStore(engine).get(case_id), envelopes_of(engine, keyring))
    if as_json:
        _print_json(view)
    else:
        Console().print(_details(view))


@cases.command()
@click.argument("case_id", type=TEXT, metavar="ORDER_ID")
@click.option("--fraud", "verdict", flag_value="confirm_fraud", help="The order is fraudulent.")
@click.option("--genuine", "verdict", flag_value="dismiss", help="The order is genuine.")
@click.option("--reason", type=TEXT, required=True, help="Why, for whoever looks at the case later; kept sealed.")
@click.option("--actor", type=TEXT, required=True, help="Who decides.")
@database_option
@keyring_option
@labels_options
@click.pass_context
@stated
def decide(
    context: click.Context,
    *,
    case_id: str,
    verdict: Verdict | None,
    reason: str,
    actor: str,
    database: str,
    keyring: Path,
    brokers: str | None,
    labels_file: Path | None,
) -> None:
    """Decide a case and publish its label: exactly one of --fraud and --genuine, of --brokers and --labels-file.

    Labels of earlier decisions that could not be published leave with this one.

    \b
    Examples:
      amana cases decide ord-1001 --fraud --reason "cardholder called" --actor noura --brokers 127.0.0.1:9092
      amana cases decide ord-1002 --genuine --reason "known customer" --actor noura --labels-file var/labels.jsonl
    """
    if labels_file and context.get_parameter_source("brokers") == ParameterSource.ENVIRONMENT:
        brokers = None
    if (brokers is None) == (labels_file is None):
        raise click.UsageError("give exactly one of --brokers and --labels-file")
    if verdict is None:
        raise click.UsageError("give exactly one of --fraud and --genuine")
    _check_words(reason, actor)
    engine = opened_database(database)
    store = CaseStore(engine)
    case = store.get(case_id)
    sealed = envelopes_of(engine, keyring).seal(case.subject, case.order_id, "reason", reason.encode())
    now_ms = time.time_ns() // 1_000_000
    decided = Desk(engine, leaves_ms=0).decide(case, verdict, reason=sealed, actor=actor, now_ms=now_ms)
    _publish_pending(store, brokers, labels_file)
    click.echo(f"order {decided.order_id}: {decided.verdict or _pending(decided)}")


def _pending(case: Case) -> str:
    if case.first_look is not None:
        return "approved once; such an amount takes a second person"
    return "somebody judged it otherwise before; a third person decides"


@cases.command()
@click.argument("case_id", type=TEXT, metavar="ORDER_ID")
@click.option("--outcome", type=click.Choice(get_args(Outcome)), required=True, help="What it should have been.")
@click.option("--reason", type=TEXT, required=True, help="Why, for whoever looks at the case later; kept sealed.")
@click.option("--actor", type=TEXT, required=True, help="Who corrects.")
@database_option
@keyring_option
@stated
def correct(case_id: str, outcome: Outcome, reason: str, actor: str, database: str, keyring: Path) -> None:
    """Correct the outcome that a case was opened with: every partner that was told of it hears, by its contract.

    The case's state and verdict stay; a reason is kept as a note, and the audit trail says who did it. An order that
    proved genuine or fraudulent is decided instead.

    \b
    Example:
      amana cases correct ord-1001 --outcome review --reason "the rule was withdrawn" --actor noura
    """
    _check_words(reason, actor)
    engine = opened_database(database)
    case = CaseStore(engine).get(case_id)
    sealed = envelopes_of(engine, keyring).seal(case.subject, case.order_id, "note", reason.encode())
    now_ms = time.time_ns() // 1_000_000
    corrected = Desk(engine).correct(case, outcome, reason=sealed, actor=actor, now_ms=now_ms)
    click.echo(f"order {corrected.order_id}: {case.outcome} is corrected to {corrected.outcome}")


@cases.command()
@click.argument("case_id", type=TEXT, metavar="ORDER_ID")
@click.option("--actor", type=TEXT, required=True, help="Who erases.")
@click.option("--yes", is_flag=True, help="Do not ask; for programs.")
@database_option
@stated
def erase(case_id: str, actor: str, yes: bool, database: str) -> None:
    """Erase the data of a case's customer for good, because they asked: of all their cases.

    What was ordered and decided stays, with nobody's name. Partners who were told of a case are told to delete it.
    Refused while an authority has asked for data of the customer and was not answered.

    \b
    Example:
      amana cases erase ord-1001 --actor noura
    """
    _check_actor(actor)
    engine = opened_database(database)
    subject = subject_of(engine, case_id)
    if not yes:
        count = len(cases_of(engine, subject))
        click.confirm(f"Erase the data of {count} case(s) of this customer for good?", abort=True)
    shares = sa.inspect(engine).has_table("sharing_requests")
    done = erase_subject(engine, subject, actor, time.time_ns() // 1_000_000, shares=shares)
    click.echo(f"the customer's data are erased; {done} case(s)")


def _check_words(reason: str, actor: str) -> None:
    if not 3 <= len(reason.strip()) <= 1000 or holds_card_number(reason):
        raise click.BadParameter("expected 3 to 1000 characters without a card number", param_hint="--reason")
    _check_actor(actor)


def _check_actor(actor: str) -> None:
    if not actor.isprintable() or not 1 <= len(actor) <= 64:
        raise click.BadParameter("expected 1 to 64 printable characters", param_hint="--actor")


def _publish_pending(store: CaseStore, brokers: str | None, labels_file: Path | None) -> None:
    now_ms = time.time_ns() // 1_000_000
    labels, decisions = store.pending_labels(now_ms), store.pending_decisions(now_ms) if brokers else ()
    try:
        publish_labels(labels, brokers, labels_file)
        if brokers and decisions:
            publish_decisions([decision for _, decision in decisions], brokers)
    except (AmanaError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(f"decided; {len(labels)} labels wait for the next decision: {why}") from None
    store.mark_published([*(label.event_id for label in labels), *(event_id for event_id, _ in decisions)])


def publish_labels(labels: Sequence[LabelEvent], brokers: str | None, labels_file: Path | None) -> None:
    """To the file where there is one, else to the brokers; returns once they are durable there."""
    if labels_file is not None:
        _append(labels_file, labels)
    elif brokers is not None:
        with Publisher(brokers) as publisher:
            publisher.publish_many(labels)


def publish_decisions(decisions: Sequence[Decision], brokers: str) -> None:
    """To the topic that the order service reads; returns once they are durable there."""
    with Publisher(brokers) as publisher:
        publisher.publish_records(DECISIONS, [(each.order_id.encode(), encode(each)) for each in decisions])


def publish_questions(questions: Sequence[InformationAsked], brokers: str) -> None:
    """As decisions."""
    with Publisher(brokers) as publisher:
        records = [(each.order_id.encode(), msgspec.json.encode(each)) for each in questions]
        publisher.publish_records(QUESTIONS, records)


def _append(path: Path, labels: Sequence[LabelEvent]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(label) + b"\n" for label in labels))
        file.flush()
        os.fsync(file.fileno())


def opened_database(database: str) -> sa.Engine:
    """A database that is there, its tables brought up to date. Raises DatabaseUnusable."""
    engine = existing(database)
    upgrade(engine)
    return engine


def envelopes_of(engine: sa.Engine, keyring: Path) -> Envelopes:
    return Envelopes(Keyring.load(keyring), SubjectKeyTable(engine), os.urandom)


def _print_json(value: CaseView | list[CaseView]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _queue(views: list[CaseView]) -> Table:
    # An id that is cut short could not be given to `show`, nor a reason be searched for: what is long folds.
    short = [Column(name, no_wrap=True) for name in ("order", "status", "outcome", "score")]
    amount, reason, opened_at = (Column(name, overflow="fold") for name in ("amount", "first reason", "opened"))
    last4, country = Column("card", no_wrap=True), Column("from", no_wrap=True)
    table = Table(*short, amount, country, last4, reason, opened_at, box=SIMPLE_HEAD)
    for view in views:
        score = "" if view.score is None else f"{view.score:.3f}"
        first = view.reasons[0] if view.reasons else ""
        row = (view.order_id, view.status, view.outcome, score, view.amount, view.country, view.last4, first)
        table.add_row(*(Text(cell or "") for cell in (*row, view.opened_at[:16].replace("T", " "))))
    return table


def _details(view: CaseView) -> Table:
    table = Table("field", "value", show_header=False)
    for field, value in _flat(msgspec.to_builtins(view)):
        table.add_row(Text(field), Text(value))
    return table


def _flat(values: dict[str, object]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for field, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value)
        elif isinstance(value, list | tuple):
            rows.append((field, "\n".join(map(str, value))))
        elif value is not None:
            rows.append((field.replace("_", " "), str(value)))
    return rows
