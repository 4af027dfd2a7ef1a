"""The table at the end of the demo, on narrow and wide terminals."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from events.types import Contact, OrderPlaced, Payment
from sharing.contracts import FOLDER, load
from streams.demo_sharing import Shown, table_of

ORDER = OrderPlaced(
    event_id="e1",
    occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
    order_id="o1",
    customer_id="c1",
    amount_minor=1,
    currency="SAR",
    contact=Contact(name="Noor Haddad"),
    payment=Payment(method="card"),
    ip="203.0.113.9",
    tracking_ref="trk1",
)
NAMES = ("acquirer", "carrier")


@pytest.mark.parametrize("width", [80, 100, 140])
def test_what_a_partner_got_of_nothing_says_so_and_every_partner_fits(width: int) -> None:
    contracts = {name: load(FOLDER / f"{name}.yaml") for name in NAMES}
    got = {"acquirer": {"outcome": "block", "reasons": []}, "carrier": {"tracking_ref": "trk1"}}
    screen = StringIO()
    console = Console(width=width, file=screen)
    console.print(table_of(Shown(ORDER, got, contracts)))
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    assert any("reasons: none" in line for line in lines)
    assert all(any(name in line for line in lines) for name in NAMES)
