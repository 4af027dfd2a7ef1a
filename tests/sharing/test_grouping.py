"""Batches in the database: groups leave whole, their members are counted once, and who leaves is counted no more."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from sharing.batches import PATIENCE_MS
from sharing.contracts import Release
from sharing.operators import Keep
from sharing.projecting import Step
from tests.sharing.orders import ORDER
from tests.sharing.projected import CONTRACTS, NOW_MS, PARTNERS, Desk, disclosable

BATCH = "fellow-merchant"
WEEK_MS = 7 * 86_400_000


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine)


def confirm(desk: Desk, numbers: range, **changes: Any) -> list[str]:
    cases = [f"topic:0:{n}" for n in numbers]
    for case in cases:
        desk.cases.changes[case] = {"verdict": "confirmed", "verification": None} | changes
    desk.run("confirmed", *cases)
    return cases


def at_hour(desk: Desk) -> None:
    """On to the hour at which the batch leaves next."""
    desk.clock[0] += WEEK_MS - (desk.clock[0] - NOW_MS) % WEEK_MS


def release(desk: Desk) -> Step:
    at_hour(desk)
    return desk.projecting.release()


def groups(desk: Desk) -> list[dict[str, Any]]:
    return desk.told(BATCH)


def test_twenty_people_alike_leave_as_one_message_without_a_case_or_a_person(desk: Desk) -> None:
    confirm(desk, range(19))
    assert (release(desk).recorded, groups(desk)) == ([], [])
    confirm(desk, range(19, 23))
    assert release(desk).recorded == [(BATCH, "disclosure")]
    (group,) = groups(desk)
    assert {**group, "jti": ""} == {
        "jti": "",
        "reasons": ["card_used_often"],
        "delivery_area": "SA",
        "amount": "500-2000",
        "occurred_at": "2026-W09",
        "count": 23,
    }
    assert (desk.rows("sharing_waiting"), len(desk.rows("sharing_members"))) == ([], 23)
    (row,) = [each for each in desk.rows("sharing_disclosures") if each["partner"] == BATCH]
    assert (row["case_id"], row["state"]) == (None, "pending")


def test_nothing_is_released_twice(desk: Desk) -> None:
    cases = confirm(desk, range(20))
    release(desk)
    assert release(desk).recorded == []
    desk.run("confirmed", *cases)
    assert desk.rows("sharing_waiting") == []
    assert release(desk).recorded == []
    assert len(groups(desk)) == 1


def test_a_case_that_is_withdrawn_while_it_waits_simply_goes(desk: Desk) -> None:
    cases = confirm(desk, range(20))
    before = desk.counts()["leaves"]
    desk.run("cleared", cases[3])
    assert desk.counts()["leaves"] == before + 1  # the successor alone was told
    assert len(desk.rows("sharing_waiting")) == 19
    assert release(desk).recorded == []


def test_a_case_that_is_erased_while_it_waits_goes_too(desk: Desk) -> None:
    cases = confirm(desk, range(20))
    desk.run("erased", cases[3])
    assert cases[3] not in {row["case_id"] for row in desk.rows("sharing_waiting")}


def test_who_leaves_a_released_group_is_counted_no_more_and_too_small_a_group_is_withdrawn(desk: Desk) -> None:
    cases = confirm(desk, range(21))
    release(desk)
    (first,) = groups(desk)
    desk.run("cleared", cases[0])
    assert release(desk).recorded == [(BATCH, "correction")]
    (second,) = groups(desk)
    assert (second["supersedes"], second["count"]) == (first["jti"], 20)
    assert {**second, "jti": "", "supersedes": "", "count": 0} == {**first, "jti": "", "supersedes": "", "count": 0}
    desk.run("erased", cases[1])
    assert release(desk).recorded == [(BATCH, "withdrawal")]
    (third,) = groups(desk)
    assert third == {"jti": third["jti"], "supersedes": second["jti"], "status": "withdrawn"}
    desk.run("cleared", cases[2])
    assert release(desk).recorded == release(desk).recorded == []
    assert not {cases[0], cases[1], cases[2]} & {row["case_id"] for row in desk.rows("sharing_members")}


def test_a_groups_correction_leaves_at_the_batchs_own_hour_and_not_with_the_withdrawal(desk: Desk) -> None:
    cases = confirm(desk, range(21))
    release(desk)
    desk.clock[0] += 3_600_000  # the hour is over
    assert [each for each in desk.run("cleared", cases[0]).recorded if each[0] == BATCH] == []
    sent = [
        (row["made_at_ms"], row["partner"]) for row in desk.rows("sharing_disclosures") if row["kind"] == "withdrawal"
    ]
    assert sent == [(desk.clock[0], "successor")]
    later = []
    for hours in range(7 * 24):
        desk.clock[0] += 3_600_000
        later += [(hours + 1, each) for each in desk.projecting.release().recorded]
    assert later == [(7 * 24 - 1, (BATCH, "correction"))]


def test_who_leaves_a_group_within_the_hour_of_a_release_is_told_of_at_the_next_one(desk: Desk) -> None:
    cases = confirm(desk, range(22))
    release(desk)
    desk.clock[0] += 20 * 60_000
    desk.run("cleared", cases[0])
    assert desk.projecting.release().recorded == []
    desk.clock[0] += 5_000
    assert desk.projecting.release().recorded == []
    assert release(desk).recorded == [(BATCH, "correction")]


def test_who_leaves_within_the_hour_is_not_told_of_with_one_who_left_before_it(desk: Desk) -> None:
    cases = confirm(desk, range(22))
    release(desk)
    desk.clock[0] += 3_600_000
    desk.run("cleared", cases[0])
    at_hour(desk)
    desk.run("cleared", cases[1])
    assert desk.projecting.release().recorded == []
    assert release(desk).recorded == [(BATCH, "correction")]
    assert groups(desk)[-1]["count"] == 20


def test_the_twentieth_who_comes_within_the_hour_of_a_release_waits_for_the_next_one(desk: Desk) -> None:
    confirm(desk, range(19))
    at_hour(desk)
    confirm(desk, range(19, 20))
    desk.clock[0] += 5_000
    assert desk.projecting.release().recorded == []
    assert release(desk).recorded == [(BATCH, "disclosure")]


def test_two_who_leave_one_group_are_taken_out_with_one_message(desk: Desk) -> None:
    cases = confirm(desk, range(22))
    release(desk)
    desk.run("cleared", *cases[:2])
    assert release(desk).recorded == [(BATCH, "correction")]
    (left,) = groups(desk)
    assert left["count"] == 20


def test_what_has_waited_long_leaves_its_week_behind(desk: Desk) -> None:
    for number in range(20):
        order = msgspec.structs.replace(
            disclosable("x").order, occurred_at=ORDER.occurred_at.replace(month=1 + number % 4)
        )
        confirm(desk, range(number, number + 1), order=msgspec.structs.replace(order, customer_id=f"cus-{number}"))
    assert release(desk).recorded == []
    desk.clock[0] += PATIENCE_MS - WEEK_MS
    assert release(desk).recorded == [(BATCH, "disclosure")]
    (group,) = groups(desk)
    assert (group["count"], "occurred_at" in group, group["amount"]) == (20, False, "500-2000")


def test_twenty_cases_of_one_customer_wait(desk: Desk) -> None:
    confirm(desk, range(25), customer="cus-1")
    assert len({row["person"] for row in desk.rows("sharing_waiting")}) == 1
    assert "cus-1" not in str(desk.rows("sharing_waiting"))
    assert release(desk).recorded == []


def test_the_group_is_found_on_the_ledger_by_its_members_no_more_than_by_anything_else(desk: Desk) -> None:
    confirm(desk, range(20))
    release(desk)
    (row,) = [each for each in desk.rows("sharing_disclosures") if each["partner"] == BATCH]
    (lookup,) = [each for each in desk.rows("sharing_lookup") if each["jti"] == row["jti"]]
    assert lookup["case_id"] == ""
    assert row["contract"] == bytes.fromhex(CONTRACTS[BATCH].hash())
    assert row["made_at_ms"] == NOW_MS + WEEK_MS


def test_a_batch_contract_that_ended_releases_nobody_new_and_still_takes_out_who_is_cleared(desk: Desk) -> None:
    cases = confirm(desk, range(21))
    release(desk)
    confirm(desk, range(30, 55))
    desk.clock[0] += 104 * 7 * 86_400_000
    assert release(desk).recorded == []
    desk.run("cleared", cases[0])
    assert release(desk).recorded == [(BATCH, "correction")]
    (left,) = groups(desk)
    assert left["count"] == 20


def test_one_contract_that_cannot_be_released_keeps_no_other_from_telling(engine: sa.Engine) -> None:
    contract = CONTRACTS[BATCH]
    keyless = msgspec.structs.replace(contract, partner="acquirer")
    partners = {name: keys for name, keys in PARTNERS.items() if name != "acquirer"}
    desk = Desk(engine, contracts=[keyless, contract], partners=partners)
    confirm(desk, range(20))
    step = release(desk)
    assert step.recorded == [(BATCH, "disclosure")]
    assert list(step.failures) == ["acquirer: no public keys of this partner are held"]
    assert len(desk.rows("sharing_waiting")) == 20  # the keyless one's, for the next time
    assert len(desk.rows("sharing_groups")) == 1


def test_a_group_that_everybody_left_and_came_back_to_is_told_anew(desk: Desk) -> None:
    cases = confirm(desk, range(20))
    release(desk)
    (first,) = groups(desk)
    desk.run("cleared", *cases)
    assert release(desk).recorded == [(BATCH, "withdrawal")]
    confirm(desk, range(20))
    assert release(desk).recorded == [(BATCH, "disclosure")]
    again = groups(desk)[-1]
    assert {**again, "jti": ""} == {**first, "jti": ""}
    assert again["jti"] != first["jti"]


def test_a_release_that_is_tried_again_in_its_hour_gives_the_same_message(engine: sa.Engine) -> None:
    desk = Desk(engine)
    confirm(desk, range(20))
    at_hour(desk)

    def named() -> str:
        with engine.connect() as connection:
            (projection,) = desk.projecting.grouping.projections
            (message,) = desk.projecting.grouping.released(connection, projection, desk.clock[0])
            connection.rollback()
        return message.jti

    first = named()
    desk.clock[0] += 5_000
    assert named() == first


def test_a_case_that_is_corrected_while_it_waits_waits_as_what_it_is_now(engine: sa.Engine) -> None:
    contract = CONTRACTS[BATCH]
    outcome = Keep(name="outcome", reason="what was decided of the order")
    desk = Desk(engine, contracts=[msgspec.structs.replace(contract, fields=(outcome, *contract.fields))])
    cases = confirm(desk, range(40), outcome="block")
    for case in cases[:20]:
        desk.cases.changes[case]["outcome"] = "review"
    desk.clock[0] += 1
    desk.run("corrected", *cases[:20])
    assert sorted(row["since_ms"] for row in desk.rows("sharing_waiting")) == [NOW_MS] * 20 + [NOW_MS + 1] * 20
    release(desk)
    assert {(group["outcome"], group["count"]) for group in groups(desk)} == {("block", 20), ("review", 20)}


def test_a_case_that_is_corrected_to_what_is_not_told_waits_no_more(desk: Desk) -> None:
    cases = confirm(desk, range(20))
    desk.cases.changes[cases[0]]["verdict"] = "suspected"
    desk.run("corrected", cases[0])
    assert cases[0] not in {row["case_id"] for row in desk.rows("sharing_waiting")}
    assert len(desk.rows("sharing_waiting")) == 19


def renewed(desk: Desk, engine: sa.Engine, **changes: Any) -> Desk:
    """Another projector over the same database, which has a second version of the contract."""
    first = CONTRACTS[BATCH]
    second = msgspec.structs.replace(first, version=2, **changes)
    found = Desk(engine, contracts=[second], replaced={bytes.fromhex(first.hash()): bytes.fromhex(second.hash())})
    found.clock, found.cases = desk.clock, desk.cases
    return found


def test_who_is_cleared_under_a_version_that_was_replaced_is_taken_out_of_the_group_alone(
    desk: Desk, engine: sa.Engine
) -> None:
    cases = confirm(desk, range(45))
    release(desk)
    later = renewed(desk, engine)
    later.run("cleared", cases[0])
    assert release(later).recorded == [(BATCH, "correction")]
    assert groups(later)[-1]["count"] == 44


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": CONTRACTS[BATCH].fields[1:]},
        {"release": Release(hour=3, day="monday", group_of=45)},
        {"release": None, "delivery": "realtime"},
    ],
    ids=["tells less", "of larger groups", "no batch"],
)
def test_a_group_that_the_version_in_place_would_not_tell_is_withdrawn(
    desk: Desk, engine: sa.Engine, changes: dict[str, Any]
) -> None:
    cases = confirm(desk, range(45))
    release(desk)
    later = renewed(desk, engine, **changes)
    later.run("cleared", cases[0])
    assert release(later).recorded == [(BATCH, "withdrawal")]
