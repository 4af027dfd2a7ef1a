import base64
import hashlib
import hmac
import ipaddress
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.contracts import FOLDER, parse
from sharing.disclosable import Fulfilment, Material, Verification
from sharing.errors import ContractError, ProjectionError
from sharing.example import example
from sharing.fields import Disclosable
from sharing.operators import Derive, Echo, Keep
from sharing.operators.derive import SAFE
from sharing.projection import Projection, compile_contract
from tests.sharing.contracts import ACQUIRER, EVERYTHING, NAMES, ROOTS, shipped
from tests.sharing.orders import CANARY, ORDER, SALTED, disclosable

KEY = b"k" * 32


def _text_of(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _projection(text: str = ACQUIRER, key: bytes = KEY) -> Projection:
    return compile_contract(parse(text, "contract.yaml"), key, ROOTS)


def _of_case(name: str, item: Disclosable, term: dict[str, Any]) -> Any:
    safe = sorted({SAFE[code] for code in item.reasons if code in SAFE})
    return {"reasons": safe, "verdict": "suspected", "notice": term.get("value")}[name]


def _of_place(name: str, place: dict[str, Any] | None) -> str | None:
    """The salted places are in no table of cities, so that their country alone is told."""
    if place is None or name == "delivery_area":
        return place and place["country"]
    code = place["postal_code"]
    return {0: None, 1: None, 2: None, 3: code[:1]}.get(len(code), code[:2])


def _pseudonym(item: Disclosable, kind: str, value: str) -> str:
    """HKDF and HMAC by hand, from the text of RFC 5869 and the contract's epochs."""
    epoch = 1 if item.order.occurred_at.astimezone(UTC).date() < date(2026, 3, 2) else 2
    parts = [b"amana partner pseudonym 1", b"everything", kind.encode(), str(epoch).encode()]
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    extracted = hmac.digest(bytes(32), ROOTS[epoch - 1], "sha256")
    key = hmac.digest(extracted, info + b"\x01", "sha256")
    body = len(value).to_bytes(4, "big") + value.encode()
    return base64.urlsafe_b64encode(hmac.digest(key, body, "sha256")[:16]).decode().rstrip("=")


def _naive(text: str, item: Disclosable) -> dict[str, Any]:
    """A second interpreter: reads the YAML and the order as plain dicts, and knows the operators by heart."""
    order = json.loads(msgspec.json.encode(item.order))
    flat = {**order, **order["payment"], "outcome": item.outcome}
    told: dict[str, Any] = {}
    if "epochs" in yaml.safe_load(text):
        told["epoch"] = 1 if item.order.occurred_at.astimezone(UTC).date() < date(2026, 3, 2) else 2
    value: Any
    for term in yaml.safe_load(text)["fields"]:
        name, operator, value = term["name"], term["operator"], flat.get(term["name"])
        if name in {"reasons", "verdict", "notice"}:
            value = _of_case(name, item, term)
        elif operator == "band":
            whole = order["amount_minor"] // {"SAR": 100, "KWD": 1000, "JPY": 1}[order["currency"]]
            below = [edge for edge in term["edges"] if edge <= whole]
            above = [edge for edge in term["edges"] if edge > whole]
            value = f"{below[-1] if below else 0}-{above[0] if above else ''}"
        elif name == "ip":
            bits = 24 if "." in value and ":" not in value else 48
            value = str(ipaddress.ip_interface(f"{value}/{bits}").network)
        elif name == "occurred_at":
            year, week, _ = item.order.occurred_at.astimezone(UTC).isocalendar()
            value = f"{year:04}-W{week:02}"
        elif name in {"delivery_area", "postal_code"}:
            value = _of_place(name, order.get("shipping") or order.get("billing"))
        elif operator == "pseudonym" and value is not None:
            value = _pseudonym(item, name, value)
        if value is not None:
            told[name] = value
    return told


def test_the_acquirer_gets_exactly_this() -> None:
    projection = _projection()
    assert json.loads(projection.project(disclosable())) == {
        "jti": projection.message_id("topic:0:17"),
        "psp_reference": "psp-1",
        "outcome": "block",
        "three_ds": "failed",
        "reasons": ["card_used_often"],
    }


def test_what_the_order_does_not_have_is_left_out() -> None:
    payment = msgspec.structs.replace(ORDER.payment, psp_reference=None, three_ds=None)
    body = _projection().project(disclosable(msgspec.structs.replace(ORDER, payment=payment), reasons=()))
    assert set(json.loads(body)) == {"jti", "outcome", "reasons"}


def test_a_repeat_has_the_same_bytes() -> None:
    assert _projection().project(disclosable()) == _projection().project(disclosable())


def test_the_message_id_is_an_hmac_of_decision_and_contract() -> None:
    projection = _projection()
    parts = [b"jti", b"topic:0:17", projection.contract.hash().encode()]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    expected = base64.urlsafe_b64encode(hmac.new(KEY, message, hashlib.sha256).digest()[:16]).decode().rstrip("=")
    assert projection.message_id("topic:0:17") == expected
    others = [
        projection.message_id("topic:0:18"),
        _projection(key=b"l" * 32).message_id("topic:0:17"),
        _projection(ACQUIRER.replace("version: 1", "version: 2")).message_id("topic:0:17"),
    ]
    assert len({expected, *others}) == 4


@settings(deadline=None)
@given(SALTED, st.sampled_from([ACQUIRER, EVERYTHING, *map(_text_of, NAMES)]))
def test_no_canary_of_a_salted_order_ever_leaves(item: Disclosable, contract: str) -> None:
    projection = _projection(contract)
    if projection.contract.trigger == "requested":
        with pytest.raises(ProjectionError, match="no request"):
            projection.project(item)
        return
    told = json.loads(projection.project(item))
    # The ids that their issuers get back may hold one.
    echoed = {"psp_reference": item.order.payment.psp_reference, "tracking_ref": item.order.tracking_ref}
    assert all(told.pop(name, value) == value for name, value in echoed.items())
    assert CANARY not in json.dumps(told)


@settings(deadline=None)
@given(SALTED, st.sampled_from([ACQUIRER, EVERYTHING]))
def test_a_naive_interpreter_of_the_contract_agrees(item: Disclosable, contract: str) -> None:
    projection = _projection(contract)
    body = projection.project(item)
    jti = projection.message_id(item.decision_id)
    assert json.loads(body) == {"jti": jti, **_naive(contract, item)}


@pytest.mark.parametrize("field", ["psp_reference", "three_ds", "method", "avs", "last4"])
def test_a_value_outside_its_closed_type_is_refused_and_not_shown(field: str) -> None:
    payment = msgspec.structs.replace(ORDER.payment, **{field: "Noura, +966 50 123 4567"})
    with pytest.raises(ProjectionError, match=rf"^everything: {field} does not fit the contract's type$"):
        _projection(EVERYTHING).project(disclosable(msgspec.structs.replace(ORDER, payment=payment)))


def test_a_value_that_its_operator_cannot_take_is_refused_and_not_shown() -> None:
    order = msgspec.structs.replace(ORDER, ip="Noura's phone")
    with pytest.raises(ProjectionError, match=r"^everything: ip is not of the kind that its operator takes$"):
        _projection(EVERYTHING).project(disclosable(order))


YEAR_ONE = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))  # UTC has no such moment


def test_a_time_that_utc_cannot_express_is_refused_as_any_other_value() -> None:
    order = msgspec.structs.replace(ORDER, occurred_at=YEAR_ONE)
    with pytest.raises(ProjectionError, match=r"^everything: occurred_at is no time that UTC can express$"):
        _projection(EVERYTHING).project(disclosable(order))
    with pytest.raises(ProjectionError, match=r"^fellow-merchant: occurred_at is not of the kind that its operator"):
        _projection(_text_of("fellow-merchant")).project(disclosable(order))


@pytest.mark.parametrize(
    ("operator", "leaving", "field"),
    [(Keep, ORDER.contact.name, "outcome"), (Derive, (ORDER.contact.name,), "reasons")],
)
def test_a_broken_operator_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch, operator: Any, leaving: Any, field: str
) -> None:
    monkeypatch.setattr(operator, "apply", lambda *_: leaving)
    with pytest.raises(ProjectionError, match=rf"^acquirer: {field} does not fit the contract's type$"):
        _projection().project(disclosable())


def test_the_message_type_refuses_a_field_that_the_contract_does_not_name() -> None:
    projection = _projection()
    body = json.loads(projection.project(disclosable())) | {"email": "noura@example.com"}
    with pytest.raises(msgspec.ValidationError, match="unknown field `email`"):
        msgspec.json.decode(json.dumps(body), type=projection.message_type)


def test_a_message_is_frozen_and_its_id_says_in_the_schema_what_it_is() -> None:
    projection = _projection()
    message = msgspec.json.decode(projection.project(disclosable()), type=projection.message_type)
    with pytest.raises(AttributeError, match="immutable type"):
        message.outcome = "approve"
    schema = msgspec.json.schema(projection.message_type)["$defs"]["acquirer-1"]
    assert schema["properties"]["jti"] == {
        "type": "string",
        "pattern": r"^[A-Za-z0-9_-]{22}$(?!\n)",
        "description": "128 bits, base64url",
    }


def test_a_field_that_nothing_reads_is_left_out_even_of_a_contract_that_nobody_checked() -> None:
    unchecked = msgspec.structs.replace(
        parse(ACQUIRER, "acquirer.yaml"), fields=(Echo(name="event_id", reason="because of the test"),)
    )
    assert set(json.loads(compile_contract(unchecked, KEY).project(disclosable()))) == {"jti"}


AGENCY = compile_contract(shipped("verification-agency"), KEY)
VERIFIED = Verification(
    agency="verification-agency",
    verification_ref="ver-1",
    result="failed",
    failed_check="document",
    verified_at=ORDER.occurred_at,
)


def test_an_agency_gets_exactly_this_of_its_own_verification() -> None:
    assert json.loads(AGENCY.project(disclosable(verification=VERIFIED, verdict="confirmed"))) == {
        "jti": AGENCY.message_id("topic:0:17"),
        "verification_ref": "ver-1",
        "failed_check": "document",
        "verdict": "confirmed",
        "verified_at": "2026-03-01",
    }


def test_an_agency_is_not_told_of_what_another_verified() -> None:
    foreign = disclosable(verification=msgspec.structs.replace(VERIFIED, agency="another-agency"))
    assert [AGENCY.concerns(each) for each in (disclosable(verification=VERIFIED), foreign, disclosable())] == [
        True,
        False,
        False,
    ]
    with pytest.raises(ProjectionError, match=r"^verification-agency: verification_ref was issued by another$"):
        AGENCY.project(foreign)


def test_a_partner_is_concerned_by_orders_that_have_its_id() -> None:
    payment = msgspec.structs.replace(ORDER.payment, psp_reference=None)
    assert _projection().concerns(disclosable())
    assert not _projection().concerns(disclosable(msgspec.structs.replace(ORDER, payment=payment)))
    assert compile_contract(shipped("fellow-merchant"), KEY).concerns(disclosable())


def test_a_carrier_gets_its_instruction_and_nothing_of_why() -> None:
    projection = compile_contract(shipped("carrier"), KEY)
    fulfilment = Fulfilment(instruction="hold", deadline=ORDER.occurred_at)
    assert json.loads(projection.project(disclosable(fulfilment=fulfilment))) == {
        "jti": projection.message_id("topic:0:17"),
        "tracking_ref": "trk-1",
        "instruction": "hold",
        "deadline": "2026-03-01T22Z",
    }
    assert set(json.loads(projection.project(disclosable()))) == {"jti", "tracking_ref"}


def test_a_successor_is_held_to_the_same_protection_as_anybody() -> None:
    projection = compile_contract(shipped("successor"), KEY, ROOTS)
    told = json.loads(projection.project(disclosable(verdict="confirmed")))
    assert {name: value for name, value in told.items() if name not in {"jti", "customer_id", "device_id"}} == {
        "epoch": 1,
        "outcome": "block",
        "method": "card",
        "reasons": ["card_used_often"],
        "amount": "500-2000",
        "delivery_area": "SA-02",
        "occurred_at": "2026-03-01",
    }
    text = (FOLDER / "successor.yaml").read_text(encoding="utf-8")
    with pytest.raises(ContractError, match="disclose serves requests of law enforcement alone"):
        parse(text.replace("name: method\n    operator: keep", "name: email\n    operator: disclose"), "successor.yaml")


def test_a_corrected_message_names_what_it_supersedes_and_has_an_id_of_its_own() -> None:
    projection = _projection()
    first = projection.message_id("topic:0:17")
    told = json.loads(projection.project(disclosable(), supersedes=first))
    assert told["supersedes"] == first
    assert told["jti"] == projection.message_id("topic:0:17", supersedes=first) != first
    with pytest.raises(ProjectionError, match=r"^acquirer: supersedes does not fit the contract's type$"):
        projection.project(disclosable(), supersedes="noura@example.com")


@pytest.mark.parametrize("status", ["withdrawn", "deleted"])
def test_a_withdrawal_says_what_it_takes_back_and_nothing_else(status: Any) -> None:
    projection = _projection()
    first = projection.message_id("topic:0:17")
    told = json.loads(projection.withdrawal("topic:0:17", first, status))
    assert told == {
        "jti": projection.message_id("topic:0:17", status, first),
        "supersedes": first,
        "status": status,
    }


def test_a_withdrawal_that_fits_no_type_is_refused() -> None:
    first = _projection().message_id("topic:0:17")
    with pytest.raises(ProjectionError, match="acquirer: status does not fit a withdrawal's type"):
        _projection().withdrawal("topic:0:17", first, "because of Noura")  # type: ignore[arg-type]


def test_a_batch_is_counted_when_it_is_released_and_never_under_its_least() -> None:
    projection = compile_contract(shipped("fellow-merchant"), KEY)
    waiting = projection.project(disclosable(verdict="confirmed"))
    assert "count" not in json.loads(waiting)
    assert json.loads(projection.counted(waiting, 37)) == {
        "jti": projection.message_id("topic:0:17"),
        "reasons": ["card_used_often"],
        "delivery_area": "SA",
        "amount": "500-2000",
        "occurred_at": "2026-W09",
        "count": 37,
    }
    with pytest.raises(ProjectionError, match="fellow-merchant: count does not fit the contract's type"):
        projection.counted(waiting, 19)
    assert _projection().counted(_projection().project(disclosable()), 37) == _projection().project(disclosable())


def test_what_reads_back_otherwise_than_it_was_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "apply", lambda *_: b"raw")  # base64 in JSON, and an id as it stands
    with pytest.raises(ProjectionError, match="acquirer: the message does not read as it was written"):
        _projection().project(disclosable())


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_contract_tells_the_same_of_an_order_and_of_what_a_case_keeps_of_it(name: str) -> None:
    contract = shipped(name)
    projection = compile_contract(contract, KEY, ROOTS)
    whole = example(contract)
    kept = msgspec.structs.replace(whole, order=Material.of(whole.order))
    assert projection.project(kept) == projection.project(whole)


def test_repr_shows_no_key() -> None:
    assert repr(_projection(key=b"secret" * 6)).startswith("<Projection acquirer ")
    assert "secret" not in repr(_projection(key=b"secret" * 6))
