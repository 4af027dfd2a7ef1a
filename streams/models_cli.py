"""`amana models compare|promote|rollback|log`: which model is better, which decides. The others: models/cli.py."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import TEXT, brokers_option
from models.cli import models, models_key_option, models_option

if TYPE_CHECKING:
    from models.manifest import Manifest
    from models.promotion import Named, Promotion
    from models.registry import Use
    from streams.rollouts import Entry

_actor_option = click.option("--actor", type=TEXT, required=True, help="Who does it; stays in the record.")
_local_option = click.option(
    "--local", is_flag=True, help="In the folder alone: for `amana run`, and for workers until a first promotion."
)

__all__ = ["models"]


@models.command()
@click.argument("version", type=TEXT)
@click.option("--challenger", type=TEXT, help="A version that scores every order beside it.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Of orders, by a hash of their customer, that the challenger decides; 0: it runs in shadow.",
)
@_actor_option
@_local_option
@models_option
@models_key_option
@brokers_option
def promote(
    *,
    version: str,
    challenger: str | None,
    share: float,
    actor: str,
    local: bool,
    folder: Path,
    public: Path | None,
    brokers: str,
) -> None:
    """Put VERSION in force on every screening worker, within seconds and without a restart.

    It is checked here as each worker checks it: signature, content, types, definitions. The workers must have the
    version in their own folders of models; one that has not, or has another content under the name, says so and goes on
    with what it had. The whole roll-out is named: a challenger that is not named again is no longer in force.

    If somebody promotes at the same time, the later is in force, on all workers alike; this command then says so, and
    exits with 1 where it was the earlier.

    \b
    Examples:
      amana models promote 20260401-5a69788796 --actor noor --models var/models --brokers 127.0.0.1:9092
      amana models promote 20260301-0f1e2d3c4b --challenger 20260401-5a69788796 --actor noor --models var/models
      amana models promote 20260301-0f1e2d3c4b --challenger 20260401-5a69788796 --share 0.1 --actor noor --models F
      amana models promote 20260401-5a69788796 --local --actor noor --models var/models
    """
    from models import registry
    from models.promotion import Promotion, checked
    from streams.bootstrap import now_ms

    if local:
        if challenger or share:
            raise click.UsageError("--local: a folder has one version in use, no challenger")
        _tell_use(registry.promote(folder, version, actor, now_ms(), public))
        return
    promotion = checked(
        Promotion(
            champion=_named(folder, version, public),
            challenger=_named(folder, challenger, public) if challenger else None,
            share=share,
            actor=actor,
        )
    )
    _send(brokers, promotion, folder, public)


@models.command()
@click.argument("one", type=TEXT)
@click.argument("other", type=TEXT)
@click.option(
    "--vectors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Orders that both judge: of `amana features backfill` or `amana history export`.",
)
@models_option
@models_key_option
def compare(one: str, other: str, vectors: Path | None, folder: Path, public: Path | None) -> None:
    """Print two versions side by side: what each learned from, how it was judged, and from where on it flags.

    Metrics of different days are of different orders. With --vectors both score the same orders, and each decides on
    them by its own policy; where a version has learned from some of these orders, that is said, for it knows them.

    \b
    Examples:
      amana models compare 20260301-0f1e2d3c4b 20260401-5a69788796 --models var/models
      amana models compare 20260301-0f1e2d3c4b 20260401-5a69788796 --vectors var/april.parquet --models var/models
    """
    from rich.console import Console
    from rich.table import Table

    from models import artifact
    from models.comparing import compared

    manifests = [artifact.read_manifest(folder, version, public) for version in (one, other)]
    table = Table("", one, other, "change")
    for row in compared(*manifests):
        table.add_row(*row)
    Console().print(table)
    if vectors is not None:
        _compare_on(vectors, manifests, folder, public)


def _compare_on(vectors: Path, manifests: "list[Manifest]", folder: Path, public: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from history import parquet
    from models import artifact
    from models.comparing import alike, on_same, overlap

    one, other = manifests
    alike(one, other)
    orders = parquet.read(vectors, one.definitions, one.names)
    scorers = [artifact.load(folder, each.version, public) for each in manifests]
    table = Table("", one.version, other.version, "change", title=f"On {len(orders):,} orders of {vectors.name}")
    for row in on_same(orders, *scorers):
        table.add_row(*row)
    Console().print(table)
    for each in manifests:
        if known := overlap(orders, each):
            click.echo(f"{each.version} learned in the time of {known:,} of these orders: it may know them", err=True)


@models.command()
@_actor_option
@_local_option
@models_option
@models_key_option
@brokers_option
def rollback(*, actor: str, local: bool, folder: Path, public: Path | None, brokers: str) -> None:
    """Bring back what was in force before the last promotion, challenger and share included: a promotion like others.

    A second rollback undoes the first; to go further back, promote a version by its name.

    \b
    Examples:
      amana models rollback --actor noor --models var/models --brokers 127.0.0.1:9092
      amana models rollback --local --actor noor --models var/models
    """
    import asyncio

    import msgspec

    from models import registry
    from streams import rollouts
    from streams.bootstrap import now_ms

    if local:
        _tell_use(registry.rollback(folder, actor, now_ms(), public))
        return
    known = asyncio.run(_on_topic(brokers, lambda: rollouts.promotions(brokers)))
    back = rollouts.earlier([promotion for _, promotion in known], lambda each: _usable(each, folder, public))
    _send(brokers, msgspec.structs.replace(back, actor=actor, rollback=True), folder, public)


@models.command()
@brokers_option
def log(brokers: str) -> None:
    """List who promoted which models, and when, and from which offset on each partition's orders were judged by them.

    \b
    Example:
      amana models log --brokers 127.0.0.1:9092
    """
    import asyncio
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from streams import rollouts

    table = Table("offset", "time (UTC)", "what", "models", "who")
    for each in asyncio.run(_on_topic(brokers, lambda: rollouts.entries(brokers))):
        moment = datetime.fromtimestamp(each.at_ms / 1000, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
        table.add_row(str(each.offset), moment, *_what(each))
    Console().print(table)


def _what(entry: "Entry") -> tuple[str, str, str]:
    from models.promotion import Promotion, Switch

    said = entry.said
    if isinstance(said, Promotion):
        models = _listed([(said.champion.version, 1 - said.share), *_challenger(said)])
        return ("rollback" if said.rollback else "promotion"), models, said.actor
    if isinstance(said, Switch):
        what = f"facts/{said.partition} from offset {said.offset} on"
        return what, f"{_listed(said.judge.models)}; rules {said.judge.rules or '-'}", f"screen-{said.instance}"
    return f"refused: {entry.why}", "", ""


def _challenger(promotion: "Promotion") -> list[tuple[str, float]]:
    return [(promotion.challenger.version, promotion.share)] if promotion.challenger else []


def _listed(models: Any) -> str:
    return ", ".join(f"{name} {share:.4g}" if len(models) > 1 else name for name, share in models) or "rules alone"


def _named(folder: Path, version: str, public: Path | None) -> "Named":
    """The version, with the content that it has here."""
    from models import artifact
    from models.promotion import Named

    return Named(version, artifact.check(folder, version, public).content)


def _usable(promotion: "Promotion", folder: Path, public: Path | None) -> bool:
    from streams.bootstrap.screen import opened
    from streams.rollouts import UNUSABLE
    from streams.settings import Settings

    try:
        opened(promotion, Settings(models=folder, models_key=public))
    except UNUSABLE:
        return False
    return True


def _send(brokers: str, promotion: "Promotion", folder: Path, public: Path | None) -> None:
    """Once it is sure that a worker of these definitions can load it."""
    import asyncio

    from streams import rollouts
    from streams.bootstrap.screen import opened
    from streams.settings import Settings

    opened(promotion, Settings(models=folder, models_key=public))
    done = asyncio.run(_on_topic(brokers, lambda: rollouts.promote(brokers, promotion)))
    said, replaced = rollouts.told(done)
    for line in said:
        click.echo(line)
    if replaced:
        raise click.ClickException(replaced)


def _tell_use(used: "Use") -> None:
    click.echo(f"model {used.version} is in use, in place of {used.replaces or 'none'}")


async def _on_topic(brokers: str, work: Callable[[], Any]) -> Any:
    """Raises Stopped where the topic is missing, Unreachable where no broker answers."""
    import asyncio

    from aiokafka.errors import KafkaError

    from events import topics
    from events.errors import Unreachable
    from streams.bootstrap import known_topics

    await asyncio.to_thread(known_topics, brokers, [topics.MODELS])
    try:
        return await work()
    except KafkaError as error:
        raise Unreachable(f"the broker at {brokers} did not do it: {type(error).__name__}") from None
