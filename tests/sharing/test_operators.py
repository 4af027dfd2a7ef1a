import ipaddress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.types import Address
from sharing.fields import FIELDS
from sharing.operators import (
    OPERATORS,
    Band,
    Constant,
    Count,
    Derive,
    Disclose,
    Echo,
    Generalise,
    Keep,
    Last4,
    Pseudonym,
    Truncate,
)
from sharing.operators.derive import SAFE, Told
from sharing.operators.operator import Operator
from tests.sharing.orders import BOUNDS

WHY = {"reason": "because of the test"}
KEEP = Keep(name="three_ds", **WHY)
ECHO = Echo(name="psp_reference", **WHY)
BAND = Band(name="amount", edges=(100, 500), **WHY)
LAST4 = Last4(name="last4", **WHY)
DERIVE = Derive(name="reasons", **WHY)
PSEUDONYM = Pseudonym(name="customer_id", **WHY)
COUNT = Count(name="count", **WHY)
REFERENCE = Constant(name="request_ref", **WHY)
NOTICE = Constant(name="notice", value="keep it safe", **WHY)


def _truncate(to: Any, name: str = "occurred_at") -> Truncate:
    return Truncate(name=name, to=to, **WHY)


def _generalise(to: Any, name: str = "delivery_area") -> Generalise:
    return Generalise(name=name, to=to, **WHY)


def _place(city: str | None, country: str = "SA", region: str | None = None) -> Address:
    return Address(city=city, region=region, country=country)


def _fits(operator: Operator, leaving: object) -> bool:
    try:
        msgspec.convert(leaving, operator.output(FIELDS[operator.name]))
    except msgspec.ValidationError:
        return False
    return True


EVENING = datetime(2025, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-3)))  # already the next year in UTC


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (KEEP, "failed", "failed"),
        (ECHO, "psp-1", "psp-1"),
        (LAST4, "4242", "4242"),
        (BAND, (0, "SAR"), "0-100"),
        (BAND, (9_999, "SAR"), "0-100"),
        (BAND, (10_000, "SAR"), "100-500"),
        (BAND, (50_000, "SAR"), "500-"),
        (BAND, (499_999, "KWD"), "100-500"),
        (BAND, (500, "JPY"), "500-"),
        (_truncate("hour"), EVENING, "2026-01-01T02Z"),
        (_truncate("day"), EVENING, "2026-01-01"),
        (_truncate("week"), EVENING, "2026-W01"),
        (_truncate("week"), datetime(2027, 1, 1, tzinfo=UTC), "2026-W53"),
        (_truncate("network", "ip"), "203.0.113.77", "203.0.113.0/24"),
        (_truncate("network", "ip"), "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        (_truncate("network", "ip"), "::1", "::/48"),
        (_truncate("network", "ip"), "::ffff:203.0.113.9", "203.0.113.0/24"),
        (_truncate("network", "ip"), "::FFFF:cb00:7109", "203.0.113.0/24"),
        (_truncate("network", "ip"), "64:ff9b::203.0.113.9", "64:ff9b::/48"),
        (DERIVE, ("card.velocity", "customer.age", "Noura"), ("card_used_often",)),
        (DERIVE, ("network.velocity", "card.declines", "ip.velocity"), ("card_declined_often", "network_used_often")),
        (DERIVE, (), ()),
        (_truncate("area", "postal_code"), "21577", "21"),
        (_truncate("area", "postal_code"), "٢١٥٧٧", "21"),
        (_truncate("area", "postal_code"), "sw1a 1aa", "SW"),
        (_truncate("area", "postal_code"), "1100", "11"),
        (_truncate("area", "postal_code"), "103", "1"),
        (_generalise("region"), _place("Jeddah"), "SA-02"),
        (_generalise("region"), _place(" جدّة "), "SA-02"),
        (_generalise("region"), _place("Khamis-Mushait"), "SA-14"),
        (_generalise("region"), _place("Al Malqa", region="منطقة الرياض"), "SA"),
        (_generalise("region"), _place("Al Malqa", region="الرياض"), "SA-01"),
        (_generalise("region"), _place("Doha", "QA"), "QA-DA"),
        (_generalise("region"), _place("Doha", "FR"), "FR"),
        (_generalise("region"), _place(None), "SA"),
        (_generalise("country"), _place("Jeddah"), "SA"),
        (_generalise("country", "issuer_country"), "SA", "SA"),
        (COUNT, 20, 20),
        (REFERENCE, "REQ-1", "REQ-1"),
        (NOTICE, "", "keep it safe"),
    ],
)
def test_what_leaves_is_exactly_this_and_fits_its_closed_type(operator: Operator, value: Any, expected: object) -> None:
    assert operator.apply(value) == expected
    assert _fits(operator, expected)


@pytest.mark.parametrize("value", ["", "1", "12", "--", "a-b"])
def test_a_postal_code_too_short_to_have_an_area_tells_none(value: str) -> None:
    assert _truncate("area", "postal_code").apply(value) is None


@pytest.mark.parametrize(
    "operator",
    [
        *(KEEP, ECHO, BAND, LAST4, DERIVE, PSEUDONYM, COUNT, REFERENCE, NOTICE),
        *(_truncate("day"), _truncate("network", "ip"), _truncate("area", "postal_code")),
        *(_generalise("region"), _generalise("country"), _generalise("country", "issuer_country")),
    ],
    ids=lambda operator: f"{operator.__struct_config__.tag}-{operator.name}",
)
@pytest.mark.parametrize(
    "text", ["Noura Al-Saud", "noura@example.com", "4242\n", "٤٢٤٢", "2026-01-01\n", "", "<b>", "a b"]
)
def test_free_text_fits_no_closed_type(operator: Operator, text: str) -> None:
    assert not _fits(operator, text)
    assert not _fits(operator, [text])


@given(
    st.datetimes(*BOUNDS, timezones=st.timezones()),
    st.sampled_from(["hour", "day", "week"]),
)
def test_a_truncated_time_fits_and_is_the_same_in_every_zone(moment: datetime, to: str) -> None:
    operator = _truncate(to)
    assert operator.apply(moment) == operator.apply(moment.astimezone(UTC))
    assert _fits(operator, operator.apply(moment))


@given(st.ip_addresses())
def test_a_network_fits_and_holds_its_address_and_256_others_at_least(address: Any) -> None:
    network = _truncate("network", "ip").apply(str(address))
    assert (getattr(address, "ipv4_mapped", None) or address) in ipaddress.ip_network(network)
    assert ipaddress.ip_network(network).num_addresses >= 256
    assert _fits(_truncate("network", "ip"), network)


def test_settings_that_do_not_fit_the_field_are_refused() -> None:
    with pytest.raises(ValueError, match="occurred_at cannot be truncated to network"):
        _truncate("network").output(FIELDS["occurred_at"])
    with pytest.raises(ValueError, match="ip cannot be truncated to day"):
        _truncate("day", "ip").output(FIELDS["ip"])
    with pytest.raises(ValueError, match="postal_code cannot be truncated to week; expected: area"):
        _truncate("week", "postal_code").output(FIELDS["postal_code"])
    with pytest.raises(ValueError, match="issuer_country cannot be generalised to region; expected: country"):
        _generalise("region", "issuer_country").output(FIELDS["issuer_country"])
    with pytest.raises(ValueError, match=r"constant of notice: expected a value$"):
        Constant(name="notice", **WHY).output(FIELDS["notice"])
    with pytest.raises(ValueError, match=r"constant of request_ref: expected no value: it is the request's own$"):
        Constant(name="request_ref", value="x", **WHY).output(FIELDS["request_ref"])
    with pytest.raises(ValueError, match=r"^edges must rise$"):
        Band(name="amount", edges=(500, 100), **WHY).output(FIELDS["amount"])


def test_no_reason_about_a_persons_habits_is_marked_safe() -> None:
    assert not [code for code in SAFE if code.split(".")[0] in {"customer", "email", "phone", "address", "session"}]
    assert not [code for code in SAFE if code.split(".")[1] in {"age", "spend"}]


@pytest.mark.parametrize(("count", "fits"), [(19, False), (20, True), (1_000_000, True), (1_000_001, False)])
def test_a_count_of_fewer_than_may_be_told_fits_no_type(count: int, fits: bool) -> None:
    assert _fits(COUNT, count) is fits


def test_a_contract_cannot_ask_for_smaller_counts() -> None:
    with pytest.raises(msgspec.ValidationError, match=">= 20"):
        msgspec.convert({"operator": "count", "name": "count", "at_least": 19, **WHY}, Count)


def test_every_operator_has_a_file_of_its_own_name() -> None:
    assert {kind.__module__.rpartition(".")[2]: kind.__struct_config__.tag for kind in OPERATORS.values()} == {
        name: name for name in OPERATORS
    }
    assert set(OPERATORS) == {
        *("keep", "band", "truncate", "generalise", "last4", "pseudonym", "echo", "disclose", "count", "constant"),
        "derive",
    }


def test_the_table_of_regions_gives_codes_that_fit() -> None:
    operator = _generalise("region")
    for country, city in (
        ("SA", "Riyadh"),
        ("AE", "دبي"),
        ("KW", "حولي"),
        ("BH", "المنامة"),
        ("OM", "مسقط"),
        ("EG", "القاهرة"),
    ):
        leaving = operator.apply(_place(city, country))
        assert leaving.startswith(f"{country}-")
        assert _fits(operator, leaving)


def test_what_an_operator_must_say_of_itself_is_said_by_each() -> None:
    bare = Operator(name="x", **WHY)
    for missing in (lambda: bare.output(FIELDS["ip"]), lambda: bare.apply("x"), bare.says):
        with pytest.raises(NotImplementedError):
            missing()
    assert bare.tells_all_of(Operator(name="y", reason="because of another"))


def test_every_safe_code_has_a_word_of_the_closed_list_and_every_word_a_code() -> None:
    assert set(SAFE.values()) == set(get_args(Told))
    entities = {"card": "card", "device": "device", "ip": "network", "network": "network"}
    topics = {
        "velocity": "used_often",
        "declines": "declined_often",
        "spread": "shared_widely",
        "frauds": "seen_in_fraud",
    }
    for code, word in SAFE.items():
        entity, _, topic = code.partition(".")
        if entity in entities:
            assert word == f"{entities[entity]}_{topics[topic]}"
    assert {code: word for code, word in SAFE.items() if code.partition(".")[0] not in entities} == {
        "order.avs": "address_check",
        "order.three_ds": "authentication",
        "model.combined": "several_signals",
    }


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (KEEP, "as it is, one of a closed list"),
        (ECHO, "as the partner issued it"),
        (BAND, "as a range: 0-100, 100-500, 500-"),
        (LAST4, "the last four digits"),
        (DERIVE, "those of the reasons that are marked safe, in words"),
        (PSEUDONYM, "under a name that is this partner's alone"),
        (COUNT, "a number, 20 or more"),
        (REFERENCE, "the request's reference"),
        (NOTICE, 'always "keep it safe"'),
        (_truncate("hour"), "to the hour"),
        (_truncate("day"), "to the day"),
        (_truncate("week"), "to the week"),
        (_truncate("network", "ip"), "to its network (/24 or /48)"),
        (_truncate("area", "postal_code"), "to its area, two characters at most"),
        (_generalise("region"), "to its region"),
        (_generalise("country"), "to its country"),
        (Disclose(name="name", **WHY), "itself, to an approved request that names it"),
    ],
)
def test_an_operator_says_in_words_what_leaves(operator: Operator, expected: str) -> None:
    assert operator.says() == expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (
            _generalise("region"),
            {"pattern": r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$(?!\n)", "description": "ISO 3166-2, or 3166-1"},
        ),
        (PSEUDONYM, {"pattern": r"^[A-Za-z0-9_-]{22}$(?!\n)", "description": "128 bits, base64url"}),
    ],
    ids=["region", "pseudonym"],
)
def test_a_partner_reads_in_the_schema_what_the_text_is(operator: Operator, expected: dict[str, str]) -> None:
    assert msgspec.json.schema(operator.output(FIELDS[operator.name])) == {"type": "string", **expected}


@pytest.mark.parametrize(
    ("operator", "refused"),
    [
        (_truncate("hour"), ["2026-01-01T2Z", "2026-01-01T02", "26-01-01T02Z", "2026-01-01T02:00Z"]),
        (_truncate("day"), ["2026-1-1", "2026-01-01T02Z", "x2026-01-01"]),
        (_truncate("week"), ["2026-W1", "2026-01", "2026-W011"]),
        (
            _truncate("network", "ip"),
            ["203.0.113.77", "203.0.113.7/24", "203.0.113.0/32", "2001:db8::1/48", "2001:db8::/64"],
        ),
        (_truncate("area", "postal_code"), ["215", "sw", "2 "]),
        (_generalise("region"), ["SA-", "SA-0202", "S", "SAU", "sa-02", "Jeddah"]),
        (_generalise("country"), ["SA-02", "SAU", "sa"]),
        (PSEUDONYM, ["a" * 21, "a" * 23, "a" * 21 + "="]),
        (REFERENCE, ["-1", "x" * 65, "a b"]),
        (NOTICE, ["keep it saf", "keep it safe "]),
        (LAST4, ["424", "42424", "424a"]),
        (ECHO, ["-x", "x" * 65]),
    ],
    ids=lambda value: f"{value.__struct_config__.tag}-{value.name}" if isinstance(value, Operator) else "",
)
def test_what_is_finer_or_longer_than_was_meant_fits_no_closed_type(operator: Operator, refused: list[str]) -> None:
    assert [text for text in refused if _fits(operator, text)] == []
