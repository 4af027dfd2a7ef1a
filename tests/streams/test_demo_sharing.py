"""The table at the end of the demo, on narrow and wide terminals."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.types import Address, Contact, OrderPlaced, Payment
from sharing.contracts import FOLDER, load
from streams.demo_sharing import PARTNERS, Shown, tables_of

ORDER = OrderPlaced(
    event_id="e1",
    occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
    order_id="o1",
    customer_id="c1",
    amount_minor=12_345,
    currency="SAR",
    contact=Contact(name="Noor Haddad"),
    payment=Payment(method="card"),
    shipping=Address(city="Riyadh", country="SA"),
    ip="203.0.113.9",
    tracking_ref="trk1",
)
GOT = {
    "acquirer": {"outcome": "block", "reasons": []},
    "carrier": {"tracking_ref": "trk1"},
    "fellow-merchant": {"delivery_area": "Riyadh Region", "amount": "100-500"},
    "law-enforcement": {"name": "Noor Haddad", "amount": {"minor": 12_345, "currency": "SAR"}},
}
SHOWN = Shown(ORDER, GOT, {name: load(FOLDER / f"{name}.yaml") for name in GOT})


def _lines(table: Table, width: int) -> list[str]:
    screen = StringIO()
    Console(width=width, file=screen).print(table)
    return [line.rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_every_partner_fits_and_what_it_got_of_nothing_says_so(width: int) -> None:
    _, table = tables_of(SHOWN)
    lines = _lines(table, width)
    assert max(map(len, lines)) <= width
    assert any("reasons: none" in line for line in lines)
    assert all(any(name in line for line in lines) for name in GOT)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_purpose_is_broken_between_words_alone(width: int) -> None:
    _, table = tables_of(SHOWN)
    column = " ".join(word for line in _lines(table, width) for word in line.split("│")[1:2])
    assert "fraud prevention and detection" in " ".join(column.split())


def test_the_stores_own_record_is_in_no_column_of_what_partners_got() -> None:
    own, table = tables_of(SHOWN)
    assert any("203.0.113.9" in line for line in _lines(own, 100))
    assert not any("203.0.113.9" in line or "own record" in line for line in _lines(table, 100))


def _behind(table: Table, partner: str) -> dict[str, str]:
    """What stayed behind, each with how it is written."""
    names, _, behind = (list(column.cells) for column in table.columns)
    (text,) = [text for name, text in zip(names, behind, strict=True) if str(name).startswith(f"{partner}\n")]
    assert isinstance(text, Text)
    return {text.plain[span.start : span.end]: str(span.style) for span in text.spans}


def test_where_an_area_or_a_band_was_told_the_address_and_the_amount_stayed_behind_all_the_same() -> None:
    behind = _behind(tables_of(SHOWN)[1], "fellow-merchant")
    assert {name: behind[name] for name in ("shipping", "amount_minor", "ip")} == {
        "shipping": "strike yellow",
        "amount_minor": "strike yellow",
        "ip": "strike dim",
    }


def test_what_was_told_as_it_is_did_not_stay_behind() -> None:
    assert "tracking_ref" not in _behind(tables_of(SHOWN)[1], "carrier")
    told = {"contact.name", "amount_minor", "currency"}
    assert told.isdisjoint(_behind(tables_of(SHOWN)[1], "law-enforcement"))


def test_who_waits_for_a_group_is_not_said_to_have_nothing_to_know() -> None:
    got = {"fellow-merchant": None, "acquirer": None}
    shown = Shown(ORDER, got, {name: SHOWN.contracts[name] for name in got}, frozenset({"fellow-merchant"}))
    merchant, acquirer = (str(cell) for cell in tables_of(shown)[1].columns[1].cells)
    assert merchant == "nothing yet: waits for a group of 20, among which nobody can be told apart"
    assert acquirer == "nothing: of this order there is nothing that its contract lets it know"


def test_every_contract_of_the_store_has_its_partner_in_the_table() -> None:
    assert set(PARTNERS) == {path.stem for path in FOLDER.glob("*.yaml")}
