"""Wires the embedded runner."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from events import topics
from features.definitions import DEFINITIONS
from features.store import Store, connect
from history.index import Index
from models.decisions import Decision
from streams.bootstrap.database import engine
from streams.bootstrap.opener import opener
from streams.bootstrap.projector import contracts, projecting
from streams.bootstrap.screen import concluder
from streams.embedded import Embedded
from streams.files import FACTS_ID
from streams.intake import Intake
from streams.lateness import Late
from streams.lateness import encode as encode_late
from streams.lines import Lines
from streams.log import FileLog
from streams.projector_settings import ProjectorSettings
from streams.screening import Screening
from streams.settings import Settings
from streams.told import Telling, desk, prepared
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser


async def embedded(
    settings: Settings, redis: str, folder: Path, now: Callable[[], int], stack: AsyncExitStack
) -> Embedded:
    """One process over files: the store at `redis`, all else in `folder`; what it opens is closed with the stack."""
    sql = engine(settings)
    stack.callback(sql.dispose)
    out = Lines(folder)
    stack.callback(out.close)

    async def publish(_: int, decisions: list[Decision]) -> None:
        """Nothing to send: the runner writes what `handle` returns."""

    async def report(_: int, late: list[Late]) -> None:
        out.write(topics.LATE, map(encode_late, late))

    facts = FileLog(folder / f"{topics.FACTS}.jsonl")
    stack.callback(facts.close)
    store = Store(await stack.enter_async_context(connect(redis)), DEFINITIONS, settings.shards)
    screening = Screening(store, facts, FACTS_ID, concluder(settings), publish, report=report)
    intake = Intake(Pseudonymiser(Keyring.load(settings.keyring)))
    agreed = contracts(ProjectorSettings(demo=True), now())
    prepared_settings = prepared(folder, settings, [each.partner for each in agreed], now())
    projector = projecting(prepared_settings, sql, now, agreed, lambda _: 0)  # a file shows no time of arrival
    telling = Telling(projector, desk(sql, now(), settings.keyring), out)
    return Embedded(intake, facts, screening, Index(sql), opener(settings, sql, now), telling, out)
