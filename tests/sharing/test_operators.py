import ipaddress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.fields import FIELDS
from sharing.operators import Band, Derive, Echo, Keep, Last4, Truncate
from sharing.operators.derive import SAFE
from sharing.operators.operator import Operator
from tests.sharing.orders import BOUNDS

WHY = {"reason": "because of the test"}
KEEP = Keep(name="three_ds", **WHY)
ECHO = Echo(name="psp_reference", **WHY)
BAND = Band(name="amount", edges=(100, 500), **WHY)
LAST4 = Last4(name="last4", **WHY)
DERIVE = Derive(name="reasons", **WHY)


def _truncate(to: Any, name: str = "occurred_at") -> Truncate:
    return Truncate(name=name, to=to, **WHY)


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
        (DERIVE, ("card.velocity", "customer.age", "Noura"), ("card_used_often",)),
        (DERIVE, ("network.velocity", "card.declines", "ip.velocity"), ("card_declined_often", "network_used_often")),
        (DERIVE, (), ()),
    ],
)
def test_what_leaves_is_exactly_this_and_fits_its_closed_type(operator: Operator, value: Any, expected: object) -> None:
    assert operator.apply(value) == expected
    assert _fits(operator, expected)


@pytest.mark.parametrize("operator", [KEEP, ECHO, BAND, LAST4, DERIVE, _truncate("day"), _truncate("network", "ip")])
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
    assert address in ipaddress.ip_network(network)
    assert ipaddress.ip_network(network).num_addresses >= 256
    assert _fits(_truncate("network", "ip"), network)


def test_settings_that_do_not_fit_the_field_are_refused() -> None:
    with pytest.raises(ValueError, match="occurred_at cannot be truncated to network"):
        _truncate("network").output(FIELDS["occurred_at"])
    with pytest.raises(ValueError, match="ip cannot be truncated to day"):
        _truncate("day", "ip").output(FIELDS["ip"])
    with pytest.raises(ValueError, match="edges must rise"):
        Band(name="amount", edges=(500, 100), **WHY).output(FIELDS["amount"])


def test_no_reason_about_a_persons_habits_is_marked_safe() -> None:
    assert not [code for code in SAFE if code.split(".")[0] in {"customer", "email", "phone", "address", "session"}]
    assert not [code for code in SAFE if code.split(".")[1] in {"age", "spend"}]
