"""Triggers become messages, leaves and rows in one transaction: whatever happens, nothing is lost or told twice."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from sharing.contracts import Contract
from sharing.disclosable import Disclosable
from sharing.ledger import leaves
from sharing.projection import Projection
from sharing.telling import fires
from sharing.tokens import Opener
from tests.sharing import sealed
from tests.sharing.projected import CONTRACTS, KEY, NOW_MS, PARTNERS, PRIVATE, Desk, disclosable

CASE = "topic:0:17"


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine)


def test_a_flagged_case_is_told_to_those_whose_contract_says_so_and_to_nobody_else(desk: Desk) -> None:
    step = desk.run("flagged", CASE)
    assert step.recorded == [("acquirer", "disclosure"), ("carrier", "disclosure")]
    (acquirer,), (carrier,) = desk.told("acquirer"), desk.told("carrier")
    assert {**acquirer, "jti": ""} == {
        "jti": "",
        "psp_reference": "psp-1",
        "outcome": "block",
        "three_ds": "failed",
        "reasons": ["card_used_often"],
    }
    assert {**carrier, "jti": ""} == {
        "jti": "",
        "tracking_ref": "trk-1",
        "instruction": "hold",
        "deadline": "2026-03-01T22Z",
    }
    assert acquirer["jti"] != carrier["jti"]


def test_a_message_its_leaf_what_opens_it_and_its_rows_come_together(desk: Desk) -> None:
    desk.run("flagged", CASE)
    assert desk.counts() == {"triggers": 0, "leaves": 2, "lookup": 2, "disclosures": 2, "outbox": 2}
    row = desk.rows("sharing_disclosures", "place")[0]
    sent = next(each for each in desk.rows("sharing_outbox") if each["jti"] == row["jti"])
    lookup = desk.rows("sharing_lookup", "place")[0]
    with desk.engine.connect() as connection:
        leaf = desk.ledger.leaf(connection, row["place"])
    payload = msgspec.json.encode(desk.told("acquirer")[0])
    assert leaf == leaves.Disclosed(
        at_ms=NOW_MS,
        partner="acquirer",
        contract=bytes.fromhex(CONTRACTS["acquirer"].hash()),
        sealed=hashlib.sha256(sent["sealed"]).digest(),
        commitment=leaves.commitment(bytes(lookup["salt"]), CASE, row["jti"], payload),
    )
    assert (row["case_id"], row["kind"], row["state"], row["made_at_ms"]) == (CASE, "disclosure", "pending", NOW_MS)
    assert (lookup["case_id"], lookup["jti"], bool(sent["urgent"])) == (CASE, row["jti"], False)


def test_a_review_is_not_told_to_who_hears_of_blocks_alone(desk: Desk) -> None:
    desk.cases.changes[CASE] = {"outcome": "review"}
    assert desk.run("flagged", CASE).recorded == [("carrier", "disclosure")]


def test_an_order_without_a_partners_own_id_is_not_told_to_it(desk: Desk) -> None:
    order = disclosable(CASE).order
    desk.cases.changes[CASE] = {"order": msgspec.structs.replace(order, tracking_ref=None)}
    assert desk.run("flagged", CASE).recorded == [("acquirer", "disclosure")]


def test_a_case_that_nothing_may_be_told_of_leaves_no_trigger_and_no_message(desk: Desk) -> None:
    desk.cases.gone.add(CASE)
    assert desk.run("flagged", CASE).taken == 1
    assert set(desk.counts().values()) == {0}


def test_a_confirmed_case_is_told_waits_for_its_batch_and_is_put_right_where_a_verdict_is_told(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    step = desk.run("confirmed", CASE)
    assert step.recorded == [("successor", "disclosure"), ("verification-agency", "disclosure")]
    (waits,) = desk.rows("sharing_waiting")
    assert (waits["partner"], waits["case_id"], waits["since_ms"]) == ("fellow-merchant", CASE, NOW_MS)
    assert desk.projecting.waits_for(CASE) == {bytes(waits["contract"])}
    assert desk.projecting.waits_for("another") == frozenset()
    (agency,) = desk.told("verification-agency")
    assert (agency["verification_ref"], agency["failed_check"], agency["verdict"]) == ("ver-1", "document", "confirmed")


def test_the_same_trigger_again_tells_nothing_again(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    desk.run("confirmed", CASE)
    before = {table: desk.rows(table) for table in ("sharing_outbox", "sharing_waiting", "sharing_leaves")}
    assert desk.run("flagged", CASE).recorded == desk.run("confirmed", CASE).recorded == []
    assert {table: desk.rows(table) for table in before} == before


def test_a_cleared_case_is_withdrawn_from_everybody_who_was_told_ahead_of_limits(desk: Desk) -> None:
    desk.run("flagged", CASE)
    told = {row["partner"]: row["jti"] for row in desk.rows("sharing_disclosures")}
    step = desk.run("cleared", CASE)
    assert step.recorded == [("acquirer", "withdrawal"), ("carrier", "withdrawal")]
    (acquirer,) = desk.told("acquirer")  # what was not sent yet is sent no more
    assert acquirer == {"jti": acquirer["jti"], "supersedes": told["acquirer"], "status": "withdrawn"}
    assert all(row["urgent"] for row in desk.rows("sharing_outbox"))
    states = {(row["partner"], row["kind"]): row["state"] for row in desk.rows("sharing_disclosures")}
    assert states[("acquirer", "disclosure")] == "withdrawn"
    with desk.engine.connect() as connection:
        leaf = desk.ledger.leaf(connection, 2)
    assert isinstance(leaf, leaves.Superseding)
    assert (leaf.supersedes, leaf.change) == (0, "withdrawn")
    assert desk.run("cleared", CASE).recorded == []


def test_an_erased_subject_is_deleted_everywhere_and_nothing_links_what_was_told_to_the_case(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.run("cleared", CASE)
    step = desk.run("erased", CASE)
    assert step.recorded == [("acquirer", "deletion"), ("carrier", "deletion")]
    assert [(m["status"], set(m)) for m in desk.told("acquirer")] == [
        ("withdrawn", {"jti", "supersedes", "status"}),
        ("deleted", {"jti", "supersedes", "status"}),
    ]
    assert desk.counts()["lookup"] == 0
    assert {row["case_id"] for row in desk.rows("sharing_disclosures")} == {None}
    assert desk.counts()["leaves"] == 6


def test_a_corrected_outcome_is_told_in_the_place_of_what_was_told(desk: Desk) -> None:
    desk.cases.changes[CASE] = {"outcome": "review"}
    desk.run("flagged", CASE)
    desk.cases.changes[CASE] = {"outcome": "block"}
    assert desk.run("corrected", CASE).recorded == [("acquirer", "disclosure"), ("carrier", "correction")]
    (carrier,) = desk.told("carrier")
    first = next(row for row in desk.rows("sharing_disclosures") if row["state"] == "corrected")
    assert (carrier["supersedes"], carrier["instruction"]) == (first["jti"], "hold")
    desk.cases.changes[CASE] = {"outcome": "review"}
    assert desk.run("corrected", CASE).recorded == [("acquirer", "withdrawal"), ("carrier", "correction")]
    assert desk.run("cleared", CASE).recorded == [("carrier", "withdrawal")]


def test_what_was_withdrawn_and_is_true_again_is_told_once_in_the_withdrawn_messages_place(desk: Desk) -> None:
    desk.run("flagged", CASE)
    (first,) = desk.told("acquirer")
    desk.cases.changes[CASE] = {"outcome": "approve"}
    assert desk.run("corrected", CASE).recorded == [("acquirer", "withdrawal"), ("carrier", "withdrawal")]
    desk.cases.changes[CASE] = {"outcome": "block"}
    assert desk.run("corrected", CASE).recorded == [("acquirer", "disclosure"), ("carrier", "disclosure")]
    (_, again) = desk.told("acquirer")
    assert again == first | {"jti": again["jti"], "supersedes": first["jti"]}
    assert again["jti"] != first["jti"]
    assert desk.run("flagged", CASE).recorded == []
    assert desk.run("cleared", CASE).recorded == [("acquirer", "withdrawal"), ("carrier", "withdrawal")]
    assert desk.told("acquirer")[-1]["supersedes"] == again["jti"]
    assert desk.run("corrected", CASE).recorded == [], "the analyst's word stands"
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    assert desk.run("confirmed", CASE).recorded == [
        ("acquirer", "disclosure"), ("carrier", "disclosure"), ("successor", "disclosure"),
        ("verification-agency", "disclosure"),
    ]  # fmt: skip


def test_a_case_that_does_not_open_fails_alone_and_what_was_told_of_it_is_taken_back_all_the_same(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.cases.tampered = {CASE}
    desk.trigger("corrected", CASE)
    step = desk.run("flagged", "topic:0:99")
    assert step.recorded == [("acquirer", "disclosure"), ("carrier", "disclosure")]
    assert step.failures == ["the case's content: changed"]
    assert desk.run("cleared", CASE).recorded == [("acquirer", "withdrawal"), ("carrier", "withdrawal")]


def test_a_clearing_that_comes_after_the_case_was_confirmed_takes_nothing_back(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    desk.run("confirmed", CASE)
    desk.trigger("cleared", CASE)
    waits = desk.rows("sharing_waiting")
    assert (desk.settle().recorded, desk.rows("sharing_waiting")) == ([], waits)
    assert len(waits) == 1


def test_what_opens_an_erased_subjects_leaves_goes_also_when_a_partner_cannot_be_told(engine: sa.Engine) -> None:
    Desk(engine).run("flagged", CASE)
    desk = Desk(engine, partners={name: keys for name, keys in PARTNERS.items() if name != "acquirer"})
    step = desk.run("erased", CASE)
    assert (step.recorded, len(step.failures)) == ([("carrier", "deletion")], 1)
    assert desk.counts()["lookup"] == 0
    mended = Desk(engine)
    with engine.begin() as connection:
        mended.projecting.triggers.retry(connection)
    assert mended.settle().recorded == [("acquirer", "deletion")]
    assert {row["case_id"] for row in mended.rows("sharing_disclosures")} == {None}


def test_one_partner_whose_keys_are_gone_keeps_no_other_from_being_told(engine: sa.Engine) -> None:
    desk = Desk(engine, partners={name: keys for name, keys in PARTNERS.items() if name != "acquirer"})
    step = desk.run("flagged", CASE)
    assert (step.recorded, list(step.failures)) == (
        [("carrier", "disclosure")],
        ["acquirer: no public keys of this partner are held"],
    )
    (left,) = desk.rows("review_triggers")
    assert left["failed"] == "acquirer: no public keys of this partner are held"
    mended = Desk(engine)
    with engine.begin() as connection:
        mended.projecting.triggers.retry(connection)
    assert mended.settle().recorded == [("acquirer", "disclosure")]
    assert mended.counts() == {"triggers": 0, "leaves": 2, "lookup": 2, "disclosures": 2, "outbox": 2}


def test_a_fault_of_the_program_under_one_contract_keeps_no_other_from_telling_and_is_told_without_a_value(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = Projection.project

    def faulty(self: Projection, disclosable: Disclosable, supersedes: str | None = None) -> bytes:
        if self.partner == "acquirer":
            raise OverflowError("4111")
        return sound(self, disclosable, supersedes)

    monkeypatch.setattr(Projection, "project", faulty)
    step = desk.run("flagged", CASE)
    assert step.recorded == [("carrier", "disclosure")]
    (why,) = step.failures
    assert re.fullmatch(r"acquirer: OverflowError in faulty, line \d+: a fault of the program", why)


class Crash(Exception):
    """The process dies here."""


WRITES = ("sharing_leaves", "sharing_lookup", "sharing_disclosures", "sharing_outbox", "review_triggers")


@pytest.mark.parametrize("table", WRITES)
def test_a_crash_at_any_write_leaves_nothing_of_it_and_the_next_projector_does_it_once(
    engine: sa.Engine, table: str
) -> None:
    desk = Desk(engine)
    desk.trigger("flagged", CASE, "topic:0:18")

    def crash(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if table in statement and not statement.lstrip().startswith("SELECT"):
            raise Crash

    sa.event.listen(engine, "after_cursor_execute", crash)
    with pytest.raises(Crash):
        desk.projecting.step()
    sa.event.remove(engine, "after_cursor_execute", crash)
    assert desk.counts() == {"triggers": 2, "leaves": 0, "lookup": 0, "disclosures": 0, "outbox": 0}
    expected = {row: desk.projecting.projector.projection(bytes.fromhex(CONTRACTS[row].hash())) for row in CONTRACTS}
    assert len(desk.settle().recorded) == 4
    assert {row["jti"] for row in desk.rows("sharing_disclosures")} == {
        expected[partner].message_id(case)  # type: ignore[union-attr]
        for partner in ("acquirer", "carrier")
        for case in (CASE, "topic:0:18")
    }


def test_projectors_at_once_tell_each_thing_once_and_in_the_order_of_each_case(engine: sa.Engine) -> None:
    desks = [Desk(engine) for _ in range(3)]
    cases = [f"topic:0:{n}" for n in range(40)]
    desks[0].trigger("flagged", *cases)
    desks[0].trigger("cleared", *cases[::2])

    def work(desk: Desk) -> list[tuple[str, str]]:
        recorded = []
        while (step := desk.projecting.step(7)).taken:
            recorded += step.recorded
        return recorded

    with ThreadPoolExecutor(3) as pool:
        recorded = [each for found in pool.map(work, desks) for each in found]
    assert len([kind for _, kind in recorded if kind == "disclosure"]) == 80
    assert len([kind for _, kind in recorded if kind == "withdrawal"]) == 40
    assert desks[0].counts() == {"triggers": 0, "leaves": 120, "lookup": 120, "disclosures": 120, "outbox": 80}


def test_two_partners_and_two_cases_never_share_an_id(desk: Desk) -> None:
    desk.run("flagged", CASE, "topic:0:18")
    projector = desk.projecting.projector
    subs = {projector.sub_id(partner, case) for partner in CONTRACTS for case in (CASE, "topic:0:18")}
    assert len(subs) == 12
    assert len({row["jti"] for row in desk.rows("sharing_disclosures")}) == 4
    assert not [sub for sub in subs if CASE in sub]


def test_a_contract_that_is_not_in_force_tells_nothing_new_and_still_takes_back(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.clock[0] += 2 * 366 * 86_400_000
    assert desk.run("flagged", "topic:0:18").recorded == []
    assert len(desk.run("cleared", CASE).recorded) == 2


def test_a_contract_that_ended_withdraws_what_is_not_true_any_more_and_tells_no_new_value(desk: Desk) -> None:
    desk.run("flagged", CASE)
    desk.clock[0] += 2 * 366 * 86_400_000
    desk.cases.changes[CASE] = {"verdict": "confirmed"}
    assert desk.run("confirmed", CASE).recorded == []
    assert desk.run("corrected", CASE).recorded == [("acquirer", "withdrawal"), ("carrier", "withdrawal")]


@pytest.mark.parametrize(
    ("trigger", "kind", "changes", "told"),
    [
        ("flagged", "flagged", {"outcome": "review"}, True),
        ("blocked", "flagged", {"outcome": "review"}, False),
        ("blocked", "corrected", {"outcome": "block"}, True),
        ("flagged", "corrected", {"outcome": "block", "verdict": "cleared"}, False),
        ("confirmed", "flagged", {"verdict": "confirmed"}, False),
        ("confirmed", "confirmed", {"verdict": "confirmed"}, True),
        ("confirmed", "confirmed", {"verdict": "suspected"}, False),
        ("confirmed", "corrected", {"verdict": "confirmed"}, True),
        ("flagged", "confirmed", {"verdict": "confirmed"}, False),
        ("requested", "flagged", {}, False),
        ("requested", "confirmed", {"verdict": "confirmed"}, False),
    ],
)
def test_what_fires(trigger: Any, kind: Any, changes: dict[str, Any], told: bool) -> None:
    contract: Contract = msgspec.structs.replace(CONTRACTS["carrier"], trigger=trigger)
    assert fires(contract, kind, disclosable(CASE, **changes)) is told


def test_a_projector_says_nothing_of_its_key(desk: Desk) -> None:
    assert KEY not in repr(desk.projecting).encode()


def test_what_an_earlier_version_told_is_taken_back_as_an_event_of_the_contract_in_its_place(engine: sa.Engine) -> None:
    first = CONTRACTS["acquirer"]
    disputes = msgspec.structs.replace(first, purpose="dpv:DisputeManagement", trigger="confirmed")
    Desk(engine, contracts=[disputes, first]).run("flagged", CASE)
    second = msgspec.structs.replace(first, version=2)
    place = {bytes.fromhex(first.hash()): bytes.fromhex(second.hash())}
    desk = Desk(engine, contracts=[disputes, second], replaced=place)
    assert desk.run("cleared", CASE).recorded == [("acquirer", "withdrawal")]
    opener = Opener(PRIVATE["acquirer"], sealed.JWKS, issuer=sealed.ISSUER, audience="acquirer")
    (row,) = desk.rows("sharing_outbox")
    assert opener.open(bytes(row["sealed"])).event_uri == second.event_uri
