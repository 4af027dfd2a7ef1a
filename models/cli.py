"""`amana models`: the model versions of a folder. (`amana train`, which makes them, reads history and lives there.)"""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from models import artifact
from models.errors import ModelsError

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
    """List and show model versions.

    \b
    Examples:
      amana models list --models var/models
      amana models show --models var/models
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
    table = Table("", "version", "orders", "fraud", "AUC", "average precision", "review from", "block from")
    for manifest in manifests:
        metrics = manifest.metrics
        table.add_row(
            "*" if manifest.version == used else "",
            manifest.version,
            f"{manifest.learned_orders + metrics.orders:,}",
            f"{manifest.learned_frauds + metrics.frauds:,}",
            f"{metrics.auc:.3f}",
            f"{metrics.average_precision:.3f}",
            f"{manifest.policy.review_at:.4g}",
            f"{manifest.policy.block_at:.4g}",
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
