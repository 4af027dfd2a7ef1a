from datetime import UTC, datetime

import msgspec
import pytest

from events.types import IdentityVerified
from sharing.disclosable import Material, Verification
from sharing.fields import FIELDS
from tests.sharing.orders import ORDER, disclosable, paths

FAILED = IdentityVerified(
    event_id="evt-9",
    occurred_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC),
    customer_id="cus-1",
    agency="agency",
    verification_ref="ver-1",
    checks=("national-id", "liveness"),
    result="failed",
)


def test_what_is_drawn_from_an_order_has_the_orders_values() -> None:
    material = Material.of(ORDER)
    assert (material.tracking_ref, material.payment.psp_reference) == ("trk-1", "psp-1")
    assert (material.contact, material.shipping, material.ip) == (ORDER.contact, ORDER.shipping, ORDER.ip)
    assert msgspec.json.decode(msgspec.json.encode(material), type=Material) == material


def test_nothing_that_is_forbidden_can_be_drawn_from_an_order() -> None:
    forbidden = {field.source for field in FIELDS.values() if field.sensitivity == "forbidden" and field.source}
    assert forbidden & paths() == forbidden
    assert forbidden & paths(Material) == set()


@pytest.mark.parametrize("name", ["psp_reference", "tracking_ref", "amount", "ip", "name", "shipping", "device_id"])
def test_a_field_reads_the_same_from_an_order_and_from_what_was_drawn_of_it(name: str) -> None:
    whole, drawn = disclosable(), msgspec.structs.replace(disclosable(), order=Material.of(ORDER))
    read = FIELDS[name].read
    assert read is not None
    assert read(whole) is not None
    assert read(whole) == read(drawn)


@pytest.mark.parametrize(
    ("result", "checks", "expected"),
    [
        ("failed", ("national-id", "liveness"), "document"),
        ("failed", ("Liveness",), "liveness"),
        ("failed", ("noura",), "other"),
        ("failed", (), "other"),
        ("passed", ("liveness",), None),
        ("inconclusive", ("liveness",), None),
    ],
)
def test_a_failed_check_is_a_word_of_a_closed_list(result: str, checks: tuple[str, ...], expected: str | None) -> None:
    event = msgspec.structs.replace(FAILED, result=result, checks=checks)
    assert Verification.of(event).failed_check == expected
    assert Verification.of(event).verification_ref == "ver-1"
