import re
from typing import Any

import msgspec
import pytest

from sharing.contracts import Contract, parse
from sharing.operators import AnyOperator, Band, Count, Disclose, Echo, Generalise, Pseudonym, Truncate
from sharing.projection import compile_contract
from sharing.widening import Change, compare, signatures_needed
from tests.sharing.contracts import shipped
from tests.sharing.orders import disclosable

BASE = """
partner: shop
kind: merchant
version: 1
purpose: dpv:MaintainFraudDatabase
legal_basis: dpv:LegitimateInterest
trigger: confirmed
delivery: batch
release: {hour: 3, day: monday, group_of: 50}
fields:
  - {name: reasons, operator: derive, reason: for the test}
  - {name: amount, operator: band, edges: [100, 500], reason: for the test}
  - {name: occurred_at, operator: truncate, to: day, reason: for the test}
  - {name: ip, operator: truncate, to: network, reason: for the test}
  - {name: delivery_area, operator: generalise, to: country, reason: for the test}
  - {name: count, operator: count, at_least: 30, reason: for the test}
  - {name: notice, operator: constant, value: keep it, reason: for the test}
  - {name: customer_id, operator: pseudonym, reason: for the test}
epochs: [{number: 1, since: 2026-01-01}]
retention_days: 90
onward_sharing: processors
valid_from: 2026-02-01
valid_until: 2026-12-31
policy_version: 2026-01
push_url: https://shop.example/hook
"""
OLD = parse(BASE, "old")
AT_ONCE = re.sub("delivery: batch\nrelease: .*\n|  - {name: count.*\n", "", BASE).replace(
    "kind", "delivery: realtime\nkind", 1
)


def _changed(old: str, new: str) -> Contract:
    assert old in BASE
    return parse(BASE.replace(old, new, 1), "new")


CHANGES = [
    (
        "edges: [100, 500]",
        "edges: [100, 200, 500]",
        "more",
        "amount would leave as a range: 0-100, 100-200, 200-500, 500-,",
    ),
    (
        "edges: [100, 500]",
        "edges: [500]",
        "less",
        "amount would leave as a range: 0-500, 500-, instead of as a range: 0-100",
    ),
    ("edges: [100, 500]", "edges: [100, 400]", "more", "amount would leave as a range: 0-100, 100-400, 400-, instead"),
    ("to: day", "to: hour", "more", "occurred_at would leave to the hour, instead of to the day"),
    ("to: day", "to: week", "less", "occurred_at would leave to the week, instead of to the day"),
    ("to: country", "to: region", "more", "delivery_area would leave to its region, instead of to its country"),
    ("at_least: 30", "at_least: 20", "more", "count would leave a number, 20 or more, instead of a number, 30 or more"),
    ("at_least: 30", "at_least: 50", "less", "count would leave a number, 50 or more, instead of a number, 30 or more"),
    (
        "value: keep it",
        "value: keep it well",
        "same",
        'notice would leave always "keep it well", instead of always "keep',
    ),
    ("reason: for the test", "reason: for another test", "same", "reasons would leave for another reason"),
    ("  - {name: ip, operator: truncate, to: network, reason: for the test}\n", "", "less", "ip would stay behind"),
    (
        "name: reasons, operator: derive",
        "name: verdict, operator: keep",
        "more",
        "verdict, which stayed behind, would leave:",
    ),
    ("partner: shop", "partner: other-shop", "more", "partner would be other-shop, instead of shop"),
    ("kind: merchant", "kind: successor", "more", "kind would be successor, instead of merchant"),
    (
        "purpose: dpv:MaintainF",
        "purpose: dpv:EnforceSecurity # ",
        "more",
        "purpose would be dpv:EnforceSecurity, instead of",
    ),
    (
        "dpv:LegitimateInterest",
        "dpv:Consent",
        "more",
        "legal_basis would be dpv:Consent, instead of dpv:LegitimateInterest",
    ),
    (
        "onward_sharing: processors",
        "onward_sharing: prohibited",
        "less",
        "passing on would be: prohibited, instead of proc",
    ),
    (
        "onward_sharing: processors",
        "onward_sharing: as_law_requires",
        "more",
        "passing on would be: as_law_requires, inst",
    ),
    ("retention_days: 90", "retention_days: 91", "more", "the partner would keep it 91 days, instead of 90"),
    ("retention_days: 90", "retention_days: 30", "less", "the partner would keep it 30 days, instead of 90"),
    ("policy_version: 2026-01", "policy_version: 2026-02", "same", "the policy would be 2026-02, instead of 2026-01"),
    (
        "https://shop.example/hook",
        "https://shop.example/h",
        "more",
        "it would be pushed to https://shop.example/h, instead",
    ),
    (
        "push_url: https://shop.example/hook",
        "",
        "less",
        "it would be pushed to nowhere, instead of https://shop.example/",
    ),
    (
        "valid_from: 2026-02-01",
        "valid_from: 2026-01-31",
        "more",
        "the contract would begin on 2026-01-31, instead of 2026-02",
    ),
    (
        "valid_from: 2026-02-01",
        "valid_from: 2026-02-02",
        "less",
        "the contract would begin on 2026-02-02, instead of 2026-02",
    ),
    (
        "valid_until: 2026-12-31",
        "valid_until: 2027-01-01",
        "more",
        "the contract would end on 2027-01-01, instead of 2026",
    ),
    (
        "valid_until: 2026-12-31",
        "valid_until: 2026-12-30",
        "less",
        "the contract would end on 2026-12-30, instead of 2026",
    ),
    (
        "day: monday, ",
        "",
        "more",
        "it would leave in groups of 50 or more, every day at 03:00 UTC, instead of in groups of 50",
    ),
    (
        "group_of: 50",
        "group_of: 40",
        "more",
        "it would leave in groups of 40 or more, every monday at 03:00 UTC, instead",
    ),
    (
        "group_of: 50",
        "group_of: 60",
        "less",
        "it would leave in groups of 60 or more, every monday at 03:00 UTC, instead",
    ),
    (
        "hour: 3",
        "hour: 4",
        "same",
        "it would leave in groups of 50 or more, every monday at 04:00 UTC, instead of in groups",
    ),
    (
        "{number: 1, since: 2026-01-01}",
        "{number: 1, since: 2026-01-01}, {number: 2, since: 2026-06-01}",
        "less",
        "pseudonyms would change on other days: 2026-01-01, 2026-06-01",
    ),
    (
        "{number: 1, since: 2026-01-01}",
        "{number: 1, since: 2026-01-02}",
        "more",
        "pseudonyms would change on other days: 2",
    ),
]


@pytest.mark.parametrize(("old", "new", "direction", "words"), CHANGES)
def test_a_change_is_said_in_words_with_its_direction(old: str, new: str, direction: str, words: str) -> None:
    changes = compare(OLD, _changed(old, new))
    found = [change for change in changes if change.words.startswith(words)]
    assert [change.direction for change in found] == [direction]


@pytest.mark.parametrize(("old", "new", "direction", "_words"), CHANGES)
def test_more_takes_two_people_and_anything_else_one(old: str, new: str, direction: str, _words: str) -> None:
    assert signatures_needed(OLD, _changed(old, new)) == (2 if direction == "more" else 1)


def test_what_is_the_same_needs_one_signature_and_what_is_new_needs_two() -> None:
    assert compare(OLD, OLD) == ()
    assert (signatures_needed(OLD, OLD), signatures_needed(None, OLD)) == (1, 2)


def test_of_a_first_contract_everything_that_leaves_is_more() -> None:
    changes = compare(None, shipped("carrier"))
    assert [change.words for change in changes] == [
        "tracking_ref would leave: as the partner issued it",
        "instruction would leave: as it is, one of a closed list",
        "deadline would leave: to the hour",
    ]
    assert {change.direction for change in changes} == {"more"}


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("flagged", "blocked", "less"),
        ("blocked", "flagged", "more"),
        ("blocked", "confirmed", "more"),
        ("confirmed", "blocked", "more"),
        ("flagged", "confirmed", "less"),
        ("confirmed", "flagged", "more"),
    ],
)
def test_an_occasion_is_more_unless_the_one_before_takes_it_in(old: str, new: str, direction: str) -> None:
    one = parse(AT_ONCE.replace("trigger: confirmed", f"trigger: {old}"), "old")
    other = parse(AT_ONCE.replace("trigger: confirmed", f"trigger: {new}"), "new")
    assert [(change.direction, change.words) for change in compare(one, other)] == [
        (direction, f"{new} orders would be told of, instead of {old} ones")
    ]


def test_at_once_is_more_than_in_groups() -> None:
    at_once = parse(AT_ONCE, "new")
    ways = {change.words.partition(",")[0]: change.direction for change in compare(OLD, at_once)}
    assert ways == {"count would stay behind": "less", "it would leave at once": "more"}
    back = {change.words.partition(" in ")[0]: change.direction for change in compare(at_once, OLD)}
    assert back["it would leave"] == "less"


def test_an_id_itself_is_more_than_a_name_for_it_and_a_value_than_a_range() -> None:
    why = {"reason": "because of the test"}
    echo, pseudonym = Echo(name="x", **why), Pseudonym(name="x", **why)
    assert (echo.tells_all_of(pseudonym), pseudonym.tells_all_of(echo)) == (True, False)
    disclose, band = Disclose(name="x", **why), Band(name="x", edges=(1,), **why)
    assert (disclose.tells_all_of(band), band.tells_all_of(disclose)) == (True, False)
    network, area = Truncate(name="x", to="network", **why), Truncate(name="x", to="area", **why)
    assert (network.tells_all_of(area), network.tells_all_of(network), network.tells_all_of(band)) == (
        False,
        True,
        False,
    )


def _truncate(to: Any) -> Truncate:
    return Truncate(name="x", to=to, reason="because of the test")


def _generalise(to: Any) -> Generalise:
    return Generalise(name="x", to=to, reason="because of the test")


def _band(*edges: int) -> Band:
    return Band(name="x", edges=edges, reason="because of the test")


def _count(at_least: int) -> Count:
    return Count(name="x", at_least=at_least, reason="because of the test")


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        (
            [_truncate(to) for to in ("hour", "day", "week", "network", "area")],
            ["1 1 1 0 0", "0 1 1 0 0", "0 0 1 0 0", "0 0 0 1 0", "0 0 0 0 1"],
        ),
        ([_generalise("region"), _generalise("country"), _truncate("area")], ["1 1 0", "0 1 0", "0 0 1"]),
        ([_band(100, 500), _band(500), _band(100, 400), _count(20)], ["1 1 0 0", "0 1 0 0", "0 0 1 0", "0 0 0 1"]),
        ([_count(20), _count(21), _band(20)], ["1 1 0", "0 1 0", "0 0 1"]),
    ],
    ids=["truncate", "generalise", "band", "count"],
)
def test_who_gets_the_finer_of_two_settings_knows_the_wider_and_not_the_other_way_round(
    operators: list[AnyOperator], expected: list[str]
) -> None:
    """A row for each: whether it tells all that each of them, from the first on, tells."""
    table = [[one.tells_all_of(other) for other in operators] for one in operators]
    assert table == [[told == "1" for told in row.split()] for row in expected]


@pytest.mark.parametrize(
    ("old_s", "new_s", "expected"),
    [
        (0, 60, Change("less", "each message would wait for a time drawn of up to 60 s, instead of not wait")),
        (60, 30, Change("more", "each message would wait for a time drawn of up to 30 s, instead of wait for a time "
                        "drawn of up to 60 s")),
        (60, 0, Change("more", "each message would not wait, instead of wait for a time drawn of up to 60 s")),
    ],
)  # fmt: skip
def test_who_is_told_sooner_is_told_more(old_s: int, new_s: int, expected: Change) -> None:
    old, new = (msgspec.structs.replace(parse(AT_ONCE, "x"), jitter_s=seconds) for seconds in (old_s, new_s))
    assert compare(old, new) == (expected,)


def _without(contract: Contract, *names: str) -> Contract:
    return msgspec.structs.replace(contract, fields=tuple(each for each in contract.fields if each.name not in names))


@pytest.mark.parametrize(
    ("partner", "name"),
    [("acquirer", "psp_reference"), ("carrier", "tracking_ref"), ("verification-agency", "verification_ref")],
)
def test_to_take_out_an_issuers_id_is_more_since_it_limits_what_is_told_to_cases_that_have_one(
    partner: str, name: str
) -> None:
    old = shipped(partner)
    new = _without(old, name)
    assert compare(old, new) == (Change("more", f"{name} would stay behind, and cases without one would be told too"),)
    assert signatures_needed(old, new) == 2
    nameless = disclosable()
    payment = msgspec.structs.replace(nameless.order.payment, psp_reference=None)
    order = msgspec.structs.replace(nameless.order, tracking_ref=None, payment=payment)
    nameless = msgspec.structs.replace(nameless, order=order, verification=None)
    assert [compile_contract(each, b"k" * 32).concerns(nameless) for each in (old, new)] == [False, True]


def test_to_take_out_what_an_issuer_said_is_less_while_its_id_stays_and_more_without_it() -> None:
    agency = shipped("verification-agency")
    less = Change("less", "failed_check would stay behind")
    assert compare(agency, _without(agency, "failed_check")) == (less,)
    old = _without(agency, "verification_ref")
    assert compare(old, _without(old, "failed_check")) == (
        Change("more", "failed_check would stay behind, and another issuer's cases might be told too"),
    )


def _ordered(contract: Contract, *names: str) -> Contract:
    terms = {term.name: term for term in contract.fields}
    return msgspec.structs.replace(contract, fields=tuple(terms[name] for name in names))


def test_of_a_batch_another_order_of_fields_is_more_since_others_are_left_out_first() -> None:
    old = shipped("fellow-merchant")
    new = _ordered(old, "occurred_at", "delivery_area", "amount", "reasons", "count")
    assert compare(old, new) == (
        Change(
            "more",
            "fields would be left out in another order: reasons, amount, delivery_area, "
            "instead of occurred_at, amount, delivery_area",
        ),
    )
    assert signatures_needed(old, new) == 2


def test_a_fields_place_says_nothing_where_it_is_new_or_gone_or_the_count_or_nothing_is_left_out() -> None:
    old = shipped("fellow-merchant")
    less = Change("less", "delivery_area would stay behind")
    assert compare(old, _without(old, "delivery_area")) == (less,)
    back = [change.words.partition(",")[0] for change in compare(_without(old, "delivery_area"), old)]
    assert back == ["delivery_area"]
    assert compare(old, _ordered(old, "count", "reasons", "delivery_area", "amount", "occurred_at")) == ()
    at_once = shipped("acquirer")
    assert compare(at_once, _ordered(at_once, "reasons", "three_ds", "outcome", "psp_reference")) == ()


def test_a_field_that_goes_hides_no_other_order_of_those_that_stay() -> None:
    old = shipped("fellow-merchant")
    new = _ordered(old, "reasons", "occurred_at", "amount", "count")
    assert compare(old, new) == (
        Change("less", "delivery_area would stay behind"),
        Change(
            "more",
            "fields would be left out in another order: amount, occurred_at, "
            "instead of occurred_at, amount, delivery_area",
        ),
    )
