from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from events.facts import Coordinates, Entities
from events.types import OrderPlaced
from history.pages import Page
from models.decisions import Decision
from review.cases import Personal
from review.disclosing import SealedCases
from review.errors import ForeignOrder
from review.opener import Opener, Vault, open_case, opens_case
from review.store import CaseStore
from review.triggers import Trigger, TriggerTable
from sharing.disclosable import Material, Verification
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER
from vault.errors import Erased

PATH = (Page(1_000, "/product/:id", 200, 7_000), Page(9_500, "/checkout"))
PERSONAL = ("Noura", "noura", "50 123", "501234567", "King Fahd", "Corniche", "203.0.113", "Mozilla", "Shirt", "cus-1")


def _opener(store: CaseStore, vault: Vault) -> Opener:
    return Opener(store, vault, clock=lambda: NOW_MS, path_of=lambda *_: PATH)


def _order(number: int) -> OrderPlaced:
    return msgspec.structs.replace(ORDER, order_id=f"ord-{number}")


def _flagged(number: int, **changes: Any) -> Decision:
    return decision(number, order_id=f"ord-{number}", **changes)


def _fetch(source: Coordinates) -> OrderPlaced | None:
    return _order(source.offset)


def _gone(_: Coordinates) -> OrderPlaced | None:
    return None


def test_a_case_holds_in_clear_only_what_a_queue_needs(vault: Vault) -> None:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    assert (case.amount_minor, case.currency, case.country, case.last4, case.method) == (
        129_950,
        "SAR",
        "SA",
        "4242",
        "card",
    )
    assert (case.outcome, case.score, case.reasons) == ("block", 0.97, decision().reasons)
    assert case.email_index == vault.blind_index("email", "noura@example.com")
    assert case.phone_index == vault.blind_index("phone", "+966501234567")
    assert case.subject == vault.blind_index("customer", "cus-1")
    assert not [word for word in PERSONAL if word in repr(case)]


def test_the_envelope_opens_to_what_is_personal_in_the_order(vault: Vault) -> None:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    assert case.envelope is not None
    sealed = vault.envelopes.open(case.subject, "ord-1", "order", case.envelope)
    assert msgspec.json.decode(sealed, type=Personal) == Personal(
        contact=ORDER.contact,
        billing=ORDER.billing,
        shipping=ORDER.shipping,
        ip=ORDER.ip,
        user_agent=ORDER.user_agent,
        items=ORDER.items,
        path=None,
        material=Material.of(ORDER),
        verification=None,
    )
    assert not [kept_back for kept_back in (b"tok-1", b"424242", b"cvv", b"promo-1") if kept_back in sealed]
    vault.envelopes.erase(case.subject)
    with pytest.raises(Erased):
        vault.envelopes.open(case.subject, "ord-1", "order", case.envelope)


def test_an_order_with_hardly_anything_still_gets_its_case(vault: Vault) -> None:
    contact = msgspec.structs.replace(ORDER.contact, email="nobody", phone=None)
    bare = msgspec.structs.replace(ORDER, contact=contact, billing=None, shipping=None, user_agent=None, items=())
    case = open_case(decision(), bare, vault, NOW_MS)
    assert (case.country, case.email_index, case.phone_index) == (None, None, None)
    assert case.envelope is not None


def test_another_orders_record_is_refused(vault: Vault) -> None:
    with pytest.raises(ForeignOrder, match="the record of decision topic:0:17 holds another order than ord-1"):
        open_case(decision(), msgspec.structs.replace(ORDER, order_id="ord-2"), vault, NOW_MS)


@pytest.mark.parametrize(
    ("changes", "opens"),
    [
        ({}, True),
        ({"outcome": "review", "mode": "rules"}, True),
        ({"outcome": "review", "mode": "refused"}, True),
        ({"outcome": "approve"}, False),
        ({"outcome": "review", "revision": 0, "mode": "fallback"}, False),
        ({"mode": "analyst", "revision": 2}, False),
    ],
)
def test_a_case_is_opened_for_what_screening_flagged_and_for_nothing_else(changes: dict[str, Any], opens: bool) -> None:
    assert opens_case(decision(**changes)) is opens


def _triggers(engine: sa.Engine) -> list[Trigger]:
    with engine.begin() as connection:
        return TriggerTable().take(connection, 99, NOW_MS)


def test_each_flagged_order_gets_a_case_and_leaves_its_trigger(
    store: CaseStore, vault: Vault, engine: sa.Engine
) -> None:
    decisions = [_flagged(n, outcome=("block", "review", "approve")[n % 3]) for n in range(9)]
    assert _opener(store, vault).handle(decisions, _fetch) == 6
    assert {case.order_id for case in store.list(limit=99)} == {f"ord-{n}" for n in (0, 1, 3, 4, 6, 7)}
    left = [(trigger.case_id, trigger.kind) for trigger in _triggers(engine)]
    assert left == [(f"topic:0:{n}", "flagged") for n in (0, 1, 3, 4, 6, 7)]


def _sealed_path(store: CaseStore, vault: Vault, order_id: str) -> object:
    case = store.get(order_id)
    assert case.envelope is not None
    return msgspec.json.decode(vault.envelopes.open(case.subject, order_id, "order", case.envelope))["path"]


def test_the_path_of_the_orders_session_up_to_the_order_is_sealed_in_its_case(store: CaseStore, vault: Vault) -> None:
    asked = []

    def path_of(session: str, until_ms: int) -> tuple[Page, ...]:
        asked.append((session, until_ms))
        return PATH

    decisions = [_flagged(1, entities=Entities(session="s" * 22), occurred_at_ms=10_000), _flagged(2)]
    Opener(store, vault, lambda: NOW_MS, path_of).handle(decisions, _fetch)
    assert asked == [("s" * 22, 10_000)]
    assert _sealed_path(store, vault, "ord-1") == [
        [1_000, "/product/:id", 200, 7_000],
        [9_500, "/checkout", None, None],
    ]
    assert _sealed_path(store, vault, "ord-2") is None


def test_what_an_agency_had_found_out_is_sealed_with_the_order(store: CaseStore, vault: Vault) -> None:
    found = Verification(
        agency="agency",
        verification_ref="ver-1",
        result="failed",
        failed_check="document",
        verified_at=ORDER.occurred_at,
    )
    _opener(store, vault).handle([_flagged(1), _flagged(2)], _fetch, lambda d: found if d.order_id == "ord-1" else None)
    disclosable = SealedCases(store, vault.envelopes).disclosable("topic:0:1")
    assert disclosable is not None
    assert disclosable.verification == found


def test_a_repeat_leaves_the_path_as_it_was_when_the_case_opened(store: CaseStore, vault: Vault) -> None:
    flagged = _flagged(1, entities=Entities(session="s" * 22))
    _opener(store, vault).handle([flagged], _fetch)
    Opener(store, vault, lambda: NOW_MS, lambda *_: ()).handle([flagged], _fetch)
    assert _sealed_path(store, vault, "ord-1") == [
        [1_000, "/product/:id", 200, 7_000],
        [9_500, "/checkout", None, None],
    ]


def test_a_repeat_opens_nothing_and_leaves_no_second_trigger(store: CaseStore, vault: Vault, engine: sa.Engine) -> None:
    decisions = [_flagged(n) for n in range(3)]
    _opener(store, vault).handle(decisions[:2], _fetch)
    before = store.list(limit=9)
    assert _opener(store, vault).handle(decisions, _fetch) == 1
    assert {case for case in before if case in store.list(limit=9)} == set(before)
    assert len(store.list(limit=9)) == len(_triggers(engine)) == 3


def test_an_order_that_expired_gets_a_case_without_envelope(store: CaseStore, vault: Vault) -> None:
    assert _opener(store, vault).handle([decision()], _gone) == 1
    case = store.get("ord-1")
    assert (case.withheld, case.envelope, case.last4) == ("expired", None, None)
    assert (case.amount_minor, case.subject) == (129_950, vault.blind_index("order", "ord-1"))


def test_a_refused_order_gets_a_case_without_envelope_and_its_record_is_not_read(
    store: CaseStore, vault: Vault
) -> None:
    def never(_: Coordinates) -> OrderPlaced | None:
        raise AssertionError("a refused order was fetched")

    refused = decision(mode="refused", outcome="review", amount_minor=None, currency=None, score=None)
    assert _opener(store, vault).handle([refused], never) == 1
    assert (store.get("ord-1").withheld, store.get("ord-1").envelope) == ("refused", None)


def test_nothing_flagged_touches_nothing(store: CaseStore, vault: Vault) -> None:
    assert _opener(store, vault).handle([], _fetch) == 0
    assert _opener(store, vault).handle([decision(outcome="approve")], _fetch) == 0
    assert store.list(limit=9) == ()


def test_no_personal_value_is_in_clear_anywhere_in_the_database(
    database_url: str, tmp_path: Path, store: CaseStore, vault: Vault, engine: sa.Engine
) -> None:
    _opener(store, vault).handle([decision()], lambda _: ORDER)
    with engine.connect() as connection:
        rows = [
            str(tuple(row)).encode() + b"".join(bytes(value) for value in row if isinstance(value, bytes | memoryview))
            for table in sa.inspect(engine).get_table_names()
            for row in connection.execute(sa.text(f'SELECT * FROM "{table}"'))
        ]
    everything = b"".join(rows) + b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"topic:0:17" in everything
    assert not [word for word in PERSONAL if word.encode() in everything]
