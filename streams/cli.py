"""The `amana` command: the rooms' own sub-commands, and the workers. Each is imported when it is asked for."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.errors import AmanaError
from events.options import TEXT, brokers_option
from streams.options import STORE
from streams.settings import Settings
from vault.errors import VaultError

if TYPE_CHECKING:
    from streams.worker import Worker

# Scoring is one small batch at a time: threads inside it cost more than they give. Read when OpenMP is first loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Command = Callable[..., Any]

ROOMS = {
    "accounts": "review.access.cli:accounts",
    "backtest": "streams.backtest_cli:backtest_command",
    "cases": "review.cli:cases",
    "console": "review.console.cli:console_command",
    "certs": "streams.certs_cli:certs",
    "contracts": "sharing.cli:contracts_command",
    "deliverer": "streams.delivery_cli:deliverer",
    "delivery": "streams.delivery_cli:delivery",
    "features": "streams.features_cli:features",
    "history": "history.cli:history",
    "keys": "vault.cli:keys",
    "ledger": "streams.ledger_cli:ledger",
    "models": "streams.models_cli:models",
    "partner": "streams.partner_cli:partner",
    "projector": "streams.projector_cli:projector",
    "partner-api": "streams.delivery_cli:partner_api",
    "publish": "events.cli:publish",
    "requests": "streams.requests_cli:requests",
    "roles": "streams.roles_cli:roles",
    "rules": "streams.rules_cli:rules",
    "schemas": "events.cli:schemas",
    "simulate": "simulator.cli:simulate",
    "topics": "events.cli:topics",
    "train": "history.cli:train_command",
    "whatif": "streams.whatif_cli:whatif_command",
}


class Amana(click.Group):
    """Sub-commands from their rooms; a stated failure is one line on stderr and exit code 1."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *ROOMS})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ROOMS:
            return super().get_command(context, name)
        module, _, attribute = ROOMS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        if isinstance(command, click.Group) and name == "history":
            command.add_command(serve)
        if isinstance(command, click.Group) and name == "models":
            command.add_command(import_module("streams.watch_cli").watch)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (AmanaError, VaultError) as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'the system'}: {error.strerror}") from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "sqlalchemy":
                raise
            # An operational error's words (disk full, no connection) are about the database; others' may quote values.
            words = f": {getattr(error, 'orig', '')}" if type(error).__name__ == "OperationalError" else ""
            raise click.ClickException(f"the database failed: {type(error).__name__}{words}") from None


def stop_in_order(_number: int, _frame: object) -> None:
    """SIGTERM as an exit, so that what was opened is closed."""
    raise SystemExit(143)


def options(*names: str) -> Callable[[Command], Command]:
    """The named settings as options, each with its environment variable."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = OPTIONS[name](command)
        return command

    return decorate


PATH = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
OPTIONS: dict[str, Callable[[Command], Command]] = {
    "brokers": brokers_option,
    "redis": click.option(
        "--redis",
        envvar="AMANA_REDIS",
        type=STORE,
        default="redis://127.0.0.1:6379/0",
        help="The feature store's address: redis://HOST:PORT/0, or a cluster's: redis+cluster://HOST:PORT,HOST:PORT",
    ),
    "shards": click.option(
        "--shards",
        envvar="AMANA_SHARDS",
        type=click.IntRange(1, 16),
        default=1,
        show_default=True,
        help="In how many parts the feature store is kept; settled when it is first used.",
    ),
    "database": click.option(
        "--database",
        type=TEXT,
        envvar="AMANA_DATABASE",
        default="sqlite:///var/amana.db",
        help="SQLAlchemy address of the index and the cases.",
    ),
    "keyring": click.option(
        "--keyring", envvar="AMANA_KEYRING", type=PATH, default="var/keyring.json", help="The key file."
    ),
    "models": click.option(
        "--models", envvar="AMANA_MODELS", type=PATH, default="var/models", help="The folder of model versions."
    ),
    "models_key": click.option(
        "--models-key",
        envvar="AMANA_MODELS_TRUST",
        type=PATH,
        help="The public key of those who make models; by default MODELS.pub, beside the folder.",
    ),
    "rules": click.option(
        "--rules",
        envvar="AMANA_RULES",
        type=PATH,
        help="A rules file, checked by `amana rules check`; default those that come with Amana.",
    ),
    "instance": click.option(
        "--instance",
        type=TEXT,
        envvar="AMANA_INSTANCE",
        default="0",
        show_default=True,
        help="This process's lasting name in its group: a restart under it takes its partitions back at once.",
    ),
    "metrics_host": click.option(
        "--metrics-host",
        type=TEXT,
        envvar="AMANA_METRICS_HOST",
        default="127.0.0.1",
        help="Where metrics and health are served.",
    ),
    "metrics_port": click.option(
        "--metrics-port",
        envvar="AMANA_METRICS_PORT",
        type=click.IntRange(1, 65535),
        help="Serve /metrics, /health/live, /health/ready.",
    ),
    "accept_gap": click.option(
        "--accept-gap", is_flag=True, help="Go on although the log no longer has all that the store would need."
    ),
    "purge_after": click.option(
        "--purge-after",
        envvar="AMANA_PURGE_AFTER",
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        help="Seconds from a card number's alarm to the deletion of the raw records up to it.",
    ),
    "review_at": click.option(
        "--review-at", envvar="AMANA_REVIEW_AT", type=click.FloatRange(0, 1), help="Review scores from here on."
    ),
    "block_at": click.option(
        "--block-at", envvar="AMANA_BLOCK_AT", type=click.FloatRange(0, 1), help="Block scores from here on."
    ),
    "deadline": click.option(
        "--deadline",
        envvar="AMANA_DEADLINE",
        type=click.FloatRange(0.1),
        default=2.0,
        show_default=True,
        help="Seconds, from the broker's time of its fact, after which an order is answered.",
    ),
    "review_from": click.option(
        "--review-from",
        envvar="AMANA_REVIEW_FROM",
        type=click.FloatRange(0),
        default=300.0,
        show_default=True,
        help="Review orders of so many US dollars or more.",
    ),
}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
WORKER = ("brokers", "instance", "metrics_host", "metrics_port")


@click.group(cls=Amana, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amana")
def main() -> None:
    """Screen orders for fraud; tell partners only what they must know.

    \b
    Examples:
      amana demo                                    a made-up store, from events to cases, in one process
      amana run --events my.jsonl --out var/mine    your own events, in one process
      amana topics create && amana intake           a worker on real servers, as those below
    """


def log_level(environment: Mapping[str, str]) -> str:
    level = environment.get("AMANA_LOG_LEVEL", "INFO").upper()
    if level not in LOG_LEVELS:
        raise click.UsageError(f"AMANA_LOG_LEVEL: expected one of {', '.join(LOG_LEVELS)}")
    return level


def work(stage: str, settings: dict[str, Any]) -> None:
    """Run a stage's worker until a signal stops it."""
    from streams import logs
    from streams.worker import run

    logs.configure(log_level(os.environ))
    make: Callable[[Settings], Worker] = getattr(import_module(f"streams.bootstrap.{stage}"), f"{stage}_worker")
    run(lambda: make(Settings(**settings)))


@main.command()
@options(*WORKER, "keyring", "purge_after")
def intake(**settings: Any) -> None:
    """Turn raw events into facts. The only stage that sees personal data.

    \b
    Example:
      amana intake --brokers 127.0.0.1:9092 --keyring var/keyring.json --metrics-port 9101
    """
    work("intake", settings)


@main.command()
@options(*WORKER, "redis", "shards", "models", "models_key", "rules", "review_at", "block_at", "accept_gap")
def screen(**settings: Any) -> None:
    """Turn facts into decisions.

    \b
    Examples:
      amana screen --brokers 127.0.0.1:9092 --redis redis://127.0.0.1:6379/0 --models var/models
      amana screen --instance 1 --metrics-port 9103        a second one, beside instance 0
      amana screen --redis redis+cluster://10.0.0.1:6379,10.0.0.2:6379 --shards 3
    """
    work("screen", settings)


@main.command()
@options("brokers", "metrics_host", "metrics_port", "deadline", "review_from")
def fallback(**settings: Any) -> None:
    """Answer orders that screening has not decided in time: revision 0, which screening's decision supersedes.

    It judges by what the order's fact says alone, for no store and no model may be there. It opens no case and tells no
    partner. A second process may run beside it, with the same options: what both say is the same.

    \b
    Examples:
      amana fallback --brokers 127.0.0.1:9092 --metrics-port 9105
      amana fallback --deadline 0.5 --review-from 150
    """
    from streams import logs
    from streams.bootstrap.fallback import run_fallback

    logs.configure(log_level(os.environ))
    run_fallback(Settings(**settings))


@main.command()
@options(*WORKER, "database", "keyring")
def opener(**settings: Any) -> None:
    """Open a case for each flagged order; what becomes of it is told by `amana projector`.

    \b
    Example:
      amana opener --database postgresql+psycopg://amana@127.0.0.1/amana --keyring var/keyring.json
    """
    work("opener", settings)


@click.command()
@options(*WORKER, "database", "purge_after")
def serve(**settings: Any) -> None:
    """Keep the index of decisions, and turn labels into facts.

    \b
    Example:
      amana history serve --brokers 127.0.0.1:9092 --database postgresql+psycopg://amana@127.0.0.1/amana
    """
    work("history", settings)


@main.command("run")
@click.option(
    "--events",
    "paths",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    required=True,
    help="JSON lines, one event a line; may be given several times.",
)
@click.option("--out", "folder", type=FOLDER, required=True, help="A new folder for all that comes of it.")
@options("models", "rules")
def run_command(paths: tuple[Path, ...], folder: Path, models: Path, rules: Path | None) -> None:
    """Screen events from files, in one process: no servers.

    \b
    Examples:
      amana run --events orders.jsonl --events visits.jsonl --out var/mine
      amana run --events orders.jsonl --rules my-rules.yaml --out var/mine
      amana cases list --database sqlite:///var/mine/amana.db
    """
    from rich.console import Console

    from streams import logs, runs
    from streams.bootstrap import now_ms

    signal.signal(signal.SIGTERM, stop_in_order)
    logs.configure("WARNING")
    summary = runs.run_files(paths, folder, models, now_ms(), Console(stderr=True), rules)
    Console().print(runs.table_of(summary, folder, "Screened"))
    if summary.events and summary.refused == summary.events:
        raise click.ClickException(
            f"every one of the {summary.events:,} events was refused: {runs.listed(summary.refused_by_reason)}"
        )


@main.command("demo")
@click.option("--out", "folder", type=FOLDER, default="var/demo", show_default=True, help="Made anew each time.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed, the same store.")
@click.option(
    "--days",
    type=click.IntRange(14),
    default=28,
    show_default=True,
    help="Three quarters to learn from, then one live.",
)
@click.option("--orders-per-day", type=click.FloatRange(50), default=400, show_default=True, help="Frauds included.")
@click.option("--serve/--no-serve", default=None, help="End with the console on loopback.  [default: on a terminal]")
def demo_command(folder: Path, seed: int, days: int, orders_per_day: float, *, serve: bool | None) -> None:
    """Show the whole path on a made-up store: train on its first weeks, screen its later ones live.

    On a terminal it ends by serving the analysts' console; the last lines say where and as whom to sign in.

    \b
    Examples:
      amana demo
      amana demo --no-serve
      amana demo --days 56 --orders-per-day 1000 --seed 3 --out var/larger
    """
    from rich.console import Console

    from simulator.settings import Settings as StoreSettings
    from streams import demo, demo_console, demo_sharing, logs

    signal.signal(signal.SIGTERM, stop_in_order)
    logs.configure("WARNING")
    store = StoreSettings(seed=seed, days=days, orders_per_day=orders_per_day)
    summary, shown = demo.demo(folder, store, Console(stderr=True))
    for table in demo.tables_of(summary, folder):
        Console().print(table)
    if shown is not None:
        for table in demo_sharing.tables_of(shown):
            Console().print(table)
    else:
        Console().print(demo_sharing.NO_ORDER)
    if sys.stdin.isatty() and sys.stdout.isatty() if serve is None else serve:
        demo_console.serve(folder, demo.milliseconds(store, days))


@main.command()
@options("database")
def migrate(database: str) -> None:
    """Make or update the tables of the index and the cases; safe to run twice.

    \b
    Example:
      amana migrate --database sqlite:///var/amana.db
    """
    from streams.bootstrap.database import engine

    engine(Settings(database=database)).dispose()


if __name__ == "__main__":
    main()
