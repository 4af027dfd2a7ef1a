"""`amana models`: the model versions of a folder. (`amana train`, which makes them, reads history and lives there.)"""

from pathlib import Path
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.table import Table

from models import artifact, decisions
from models.decisions import Decision
from models.errors import ModelsError
from models.explanation import explain, lines, vector_of
from models.reasons import LANGUAGES, Language

models_option = click.option(
    "--models",
    "folder",
    envvar="AMANA_MODELS",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of model versions.",
)


@click.group()
def models() -> None:
    """List and show model versions, and explain what they concluded.

    \b
    Examples:
      amana models list --models var/models
      amana models show --models var/models
      amana models explain ord-1001 --decisions decisions.jsonl --models var/models
    """


@models.command("list")
@models_option
def list_versions(folder: Path) -> None:
    """List the versions, the one in use marked with a star.

    \b
    Example:
      amana models list --models var/models
    """
    try:
        manifests = artifact.versions(folder)
        used = artifact.current(folder)
    except ModelsError as error:
        raise click.ClickException(str(error)) from None
    table = Table(
        "", "version", "orders", "fraud", "AUC", "average precision", "review from", "block from", "of an order of"
    )
    for manifest in manifests:
        metrics, typical_usd = manifest.metrics, manifest.policy.typical_usd
        review_at, block_at = manifest.policy.thresholds(typical_usd)
        table.add_row(
            "*" if manifest.version == used else "",
            manifest.version,
            f"{manifest.learned_orders + metrics.orders:,}",
            f"{manifest.learned_frauds + metrics.frauds:,}",
            f"{metrics.auc:.3f}",
            f"{metrics.average_precision:.3f}",
            f"{review_at:.4g}",
            f"{block_at:.4g}",
            f"{typical_usd:,.0f} USD",
        )
    Console().print(table)


@models.command()
@click.argument("version", required=False)
@models_option
def show(version: str | None, folder: Path) -> None:
    """Print the model card of VERSION, by default of the one in use; checks the artifact first.

    \b
    Example:
      amana models show 20260301-0f1e2d3c4b --models var/models
    """
    try:
        scorer = artifact.load(folder, version)
        click.echo(artifact.card(artifact.read_manifest(folder, scorer.version)))
    except ModelsError as error:
        raise click.ClickException(str(error)) from None


@models.command("explain")
@click.argument("order_id")
@models_option
@click.option(
    "--decisions", "file", type=click.File("rb"), default="-", help="Decisions, one a line, JSON.  [default: stdin]"
)
@click.option("--language", type=click.Choice(LANGUAGES), help="One of the two alone.")
@click.option("--json", "as_json", is_flag=True, help="Every number, as JSON.")
def explain_command(*, order_id: str, folder: Path, file: IO[bytes], language: Language | None, as_json: bool) -> None:
    """Say why an order was decided as it was: what each feature added to the model's margin, in English and Arabic.

    By the model that decided, on the vector in the decision. The numbers add up; with --json to the last digits.

    \b
    Example:
      amana models explain ord-1001 --decisions var/demo/decisions.jsonl --models var/demo/models
    """
    decision = _last_decision(file, order_id)
    if decision is None:
        raise click.ClickException(f"{file.name}: no decision of that order by a model")
    try:
        scorer = artifact.load(folder, decision.model)
        explanation = explain(scorer, vector_of(decision, scorer))
    except ModelsError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation), indent=2))
        return
    for each in (language,) if language else LANGUAGES:
        click.echo("\n".join(lines(explanation, each)) + "\n")


def _last_decision(file: IO[bytes], order_id: str) -> Decision | None:
    """The decision of an order with the highest revision of those that a model took part in."""
    found: Decision | None = None
    for line in file:
        if order_id.encode() not in line:
            continue
        try:
            decision = decisions.decode(line)
        except msgspec.DecodeError as error:
            raise click.ClickException(f"{file.name}: a line is no decision: {error}") from None
        if decision.order_id == order_id and decision.model and (not found or decision.revision > found.revision):
            found = decision
    return found
