"""`amana models`: the model versions of a folder. (`amana train`, which makes them, reads history and lives there.)"""

from pathlib import Path
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.table import Column, Table

from events.options import TEXT
from models import artifact, decisions, signing
from models.card import card
from models.decisions import Decision
from models.errors import ModelsError, NoModel
from models.explanation import explain, lines, vector_of
from models.manifest import Manifest
from models.reasons import LANGUAGES, Language

models_option = click.option(
    "--models",
    "folder",
    envvar="AMANA_MODELS",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of model versions.",
)
models_key_option = click.option(
    "--models-key",
    "public",
    envvar="AMANA_MODELS_TRUST",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The public key of those who make models; by default FOLDER.pub, beside the folder.",
)
signing_key_option = click.option(
    "--signing-key",
    "signing_key",
    envvar="AMANA_SIGNING_KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key to sign with; by default FOLDER.key, beside the folder of models, made where there is none.",
)


@click.group()
def models() -> None:
    """Keep model versions, decide which is in force, and explain what they concluded (docs/models.md).

    \b
    Examples:
      amana models list --models var/models
      amana models show --models var/models
      amana models compare 20260301-0f1e2d3c4b 20260401-5a69788796 --models var/models
      amana models promote 20260401-5a69788796 --actor noor --models var/models
      amana models rollback --actor noor --models var/models
      amana models explain ord-1001 --decisions decisions.jsonl --models var/models
    """


@models.command("keys")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def keys_command(path: Path) -> None:
    """Make a key to sign models with at PATH, mode 600, and the public key beside it, PATH with .pub at its end.

    Training needs the one, screening the other alone. No key is ever overwritten. To bring in a new key, append its
    public key to the file that screening reads; take the old one out when no version that it signed is in use.

    \b
    Example:
      amana models keys var/models.key
    """
    try:
        public = signing.create(path)
    except ModelsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{path}: signs models; keep it where they are trained, and nowhere else")
    click.echo(f"{public}: for those who load them")


@models.command("list")
@models_option
@models_key_option
def list_versions(folder: Path, public: Path | None) -> None:
    """List the versions, the one in use in the folder marked with a star; exits with 1 if any is refused.

    Each is checked to its last byte, but for what the model's file holds, which is looked at when it is loaded. What
    workers are told to use is in `amana models log`.

    \b
    Example:
      amana models list --models var/models
    """
    names, refused, used = artifact.names(folder), [], ""
    try:
        used = artifact.current(folder)
    except NoModel as error:
        if not names:
            raise click.ClickException(str(error)) from None
        refused.append(f"{folder}: no version is in use; `amana models promote --local` puts one in use")
    except ModelsError as error:
        refused.append(str(error))
    version = Column("version", no_wrap=True)  # to be copied, where the screen is narrow or there is none
    table = Table(
        "", version, "orders", "fraud", "AUC", "average precision", "review from", "block from", "of an order of"
    )
    for name in names:
        try:
            table.add_row("*" if name == used else "", *_row(artifact.verified(folder, name, public)))
        except ModelsError as error:
            refused.append(str(error))
    Console().print(table)
    if refused:
        raise click.ClickException("\n".join(refused))


def _row(manifest: Manifest) -> tuple[str, ...]:
    metrics, typical_usd = manifest.metrics, manifest.policy.typical_usd
    review_at, block_at = manifest.policy.thresholds(typical_usd)
    return (
        manifest.version,
        f"{manifest.orders:,}",
        f"{manifest.frauds:,}",
        f"{metrics.auc:.3f}",
        f"{metrics.average_precision:.3f}",
        f"{review_at:.4g}",
        f"{block_at:.4g}",
        f"{typical_usd:,.0f} USD",
    )


@models.command()
@click.argument("version", type=TEXT, required=False)
@models_option
@models_key_option
def show(version: str | None, folder: Path, public: Path | None) -> None:
    """Print the model card of VERSION, by default of the one in use; checks the artifact first.

    \b
    Example:
      amana models show 20260301-0f1e2d3c4b --models var/models
    """
    try:
        scorer = artifact.load(folder, version, public)
        checked = artifact.check(folder, scorer.version, public)
    except ModelsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(card(checked.manifest))
    click.echo(f"Content hash {checked.content}.")


@models.command("explain")
@click.argument("order_id", type=TEXT)
@models_option
@models_key_option
@click.option(
    "--decisions", "file", type=click.File("rb"), default="-", help="Decisions, one a line, JSON.  [default: stdin]"
)
@click.option("--language", type=click.Choice(LANGUAGES), help="One of the two alone.")
@click.option("--json", "as_json", is_flag=True, help="Every number, as JSON.")
def explain_command(
    *, order_id: str, folder: Path, public: Path | None, file: IO[bytes], language: Language | None, as_json: bool
) -> None:
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
        scorer = artifact.load(folder, decision.model, public)
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
