"""Deliveries as tables for a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.table import Table

from sharing.delivery.allowances import Pause
from sharing.delivery.lifecycle import STATES, State


def status_tables(
    waiting: Mapping[str, tuple[int, int, int]], states: Mapping[tuple[str, State], int], pauses: Mapping[str, Pause]
) -> list[Table]:
    partners = sorted({*waiting, *pauses, *(partner for partner, _ in states)})
    outbox = Table("partner", "to send", "to be answered", "dead", "paused", title="Outbox")
    told = Table("partner", *STATES, title="Disclosures")
    for partner in partners:
        outbox.add_row(partner, *(f"{count:,}" for count in waiting.get(partner, (0, 0, 0))), _since(pauses, partner))
        told.add_row(partner, *(f"{states.get((partner, state), 0):,}" for state in STATES))
    return [outbox, told]


def _since(pauses: Mapping[str, Pause], partner: str) -> str:
    if partner not in pauses:
        return ""
    pause = pauses[partner]
    return f"{datetime.fromtimestamp(pause.since_ms / 1000, UTC).isoformat(timespec='seconds')} by {pause.actor}"
