"""Acknowledgements: a partner's signature on what it took, and each way in which one is not believed."""

import json
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from sharing.errors import TokenError
from sharing.tokens import Acknowledgement, signed_acknowledgement, verify_acknowledgement
from sharing.tokens.acknowledgements import MAX_AGE_S, Refused
from tests.sharing.sealed import ACQUIRER_KID, ACQUIRER_SIGNS, CARRIER, ISSUER, JTI, OURS, PARTNERS, sealed

NOW_S = 1_767_225_600
OTHER = "B" * 22
TAKEN = Acknowledgement(iss="acquirer", aud=ISSUER, iat=NOW_S, jti="a" * 22, acks=(JTI,))
CLAIMS: dict[str, Any] = {"iss": "acquirer", "aud": ISSUER, "iat": NOW_S, "jti": "a" * 22, "acks": [JTI]}
HEADER = {"alg": "Ed25519", "typ": "secevent-ack+jwt", "kid": ACQUIRER_KID}


def signed(claims: object = CLAIMS, header: dict[str, Any] = HEADER, key: Any = ACQUIRER_SIGNS) -> bytes:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.serialize_compact(dict(header), body, key, algorithms=["Ed25519", "HS256"]).encode()


def refused(statement: bytes, partner: str = "acquirer", now_s: int = NOW_S) -> TokenError:
    with pytest.raises(TokenError) as refusal:
        verify_acknowledgement(statement, PARTNERS[partner], ISSUER, now_s)
    return refusal.value


def test_a_partner_says_what_it_took_what_it_could_not_and_what_came_of_it() -> None:
    said = msgspec.structs.replace(
        TAKEN,
        errs={OTHER: Refused(err="invalid_key", description="no such kid here")},
        reports={"C" * 22: "false_alarm"},
    )
    statement = signed_acknowledgement(said, ACQUIRER_KID, ACQUIRER_SIGNS)
    assert verify_acknowledgement(statement, PARTNERS["acquirer"], ISSUER, NOW_S) == said


def test_an_acknowledgement_reads_as_it_is_documented() -> None:
    assert verify_acknowledgement(signed(), PARTNERS["acquirer"], ISSUER, NOW_S) == TAKEN


def test_one_partner_cannot_acknowledge_for_another() -> None:
    assert refused(signed(), "carrier").reason == "unknown_key"
    carrier = PARTNERS["carrier"]
    kid = next(iter(carrier.signers))
    forged = signed(CLAIMS, {**HEADER, "kid": kid}, OKPKey.import_key(CARRIER["keys"][1]))
    assert refused(forged, "carrier").reason == "wrong_issuer"
    assert refused(signed(CLAIMS, HEADER, OKPKey.import_key(CARRIER["keys"][1]))).reason == "forged"


def test_an_acknowledgement_to_another_store_is_refused() -> None:
    assert refused(signed({**CLAIMS, "aud": "https://other.example"})).reason == "wrong_audience"


@pytest.mark.parametrize(("at_s", "why"), [(NOW_S + MAX_AGE_S + 1, "stale"), (NOW_S - 301, "from_the_future")])
def test_an_old_acknowledgement_and_one_of_tomorrow_are_refused(at_s: int, why: str) -> None:
    assert refused(signed(), now_s=at_s).reason == why
    nearer = at_s - 1 if why == "stale" else at_s + 1
    assert verify_acknowledgement(signed(), PARTNERS["acquirer"], ISSUER, nearer) == TAKEN


def test_what_we_sign_is_no_acknowledgement_and_neither_is_a_token() -> None:
    assert refused(signed(CLAIMS, {**HEADER, "typ": "secevent+jwt"})).reason == "type"
    assert refused(signed(CLAIMS, {**HEADER, "typ": "JWT"})).reason == "type"
    assert refused(signed(CLAIMS, {**HEADER, "kid": OURS.kid}, OURS.key)).reason == "unknown_key"
    assert refused(sealed()).reason == "malformed"


def test_no_algorithm_but_ours_is_believed() -> None:
    public = OctKey.import_key(ACQUIRER_SIGNS.as_dict(private=False)["x"])
    assert refused(signed(CLAIMS, {**HEADER, "alg": "HS256"}, public)).reason == "algorithm"
    head = b"eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQtYWNrK2p3dCIsImtpZCI6ImEifQ"  # {"alg":"none",...,"kid":"a"}
    assert refused(head + b"." + signed().split(b".")[1] + b".").reason == "algorithm"


@pytest.mark.parametrize(
    "change",
    [
        {"acks": ["short"]},
        {"acks": [JTI, JTI]},
        {"acks": [JTI], "errs": {JTI: {"err": "invalid_key"}}},
        {"errs": {OTHER: {"err": "no spaces, please"}}},
        {"errs": {OTHER: {}}},
        {"errs": {OTHER: {"err": "invalid_key", "description": "x" * 513}}},
        {"reports": {OTHER: "perhaps"}},
        {"jti": "x"},
        {"exp": NOW_S},
        {"iat": "now"},
    ],
)
def test_an_acknowledgement_that_says_something_else_is_refused_without_being_quoted(change: dict[str, Any]) -> None:
    refusal = refused(signed({**CLAIMS, **change}))
    assert refusal.reason == "malformed"
    assert JTI not in str(refusal)
    assert "perhaps" not in str(refusal)


@pytest.mark.parametrize("body", [b"", b"null", b"\xff", b"[" * 5000])
def test_an_acknowledgement_that_is_no_json_object_is_refused(body: bytes) -> None:
    assert refused(signed(body)).reason == "malformed"


def names(count: int) -> list[str]:
    return [f"{number:022}" for number in range(count)]


def test_a_thousand_messages_are_acknowledged_at_once_and_no_more() -> None:
    taken = verify_acknowledgement(signed({**CLAIMS, "acks": names(1000)}), PARTNERS["acquirer"], ISSUER, NOW_S)
    assert taken.acks == tuple(names(1000))
    assert refused(signed({**CLAIMS, "acks": names(1001)})).reason == "malformed"
    many = {"acks": names(999), "reports": {"C" * 22: "confirmed", "D" * 22: "confirmed"}}
    assert refused(signed({**CLAIMS, **many})).reason == "oversize"


def test_an_acknowledgement_of_megabytes_is_refused_before_it_is_read() -> None:
    assert refused(b"a" * 49_153).reason == "oversize"
