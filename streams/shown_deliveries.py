"""Deliveries as tables for a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.table import Table

from sharing.delivery.allowances import Pause
from sharing.delivery.lifecycle import STATES, State


def status_tables(
    waiting: Mapping[str, tuple[int, int, int]], states: Mapping[tuple[str, State], int], pauses: Mapping[str, Pause]
) -> list[Table]:
    """Narrow ones, a state a row: a terminal of 80 columns shows them whole."""
    outbox = Table("partner", "to send", "to be answered", "dead", title="Outbox")
    for partner, counts in sorted(waiting.items()):
        outbox.add_row(partner, *(f"{count:,}" for count in counts))
    told = Table("partner", "state", "disclosures", title="Disclosures")
    for (partner, state), count in sorted(states.items(), key=lambda item: (item[0][0], STATES.index(item[0][1]))):
        told.add_row(partner, state, f"{count:,}")
    held = Table("partner", "since", "by", title="Paused")
    for partner, pause in sorted(pauses.items()):
        since = datetime.fromtimestamp(pause.since_ms / 1000, UTC).isoformat(timespec="seconds")
        held.add_row(partner, since, pause.actor)
    return [outbox, told, *([held] if pauses else [])]
