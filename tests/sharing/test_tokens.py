"""Sealing and opening: what goes round, what does not, and what the sizes tell."""

import base64
import contextlib
import json
import pickle
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, OKPKey

from sharing.errors import TokenError
from sharing.tokens import Opener, Sealer, SigningKey, Token, opened
from sharing.tokens.padding import BUCKETS, padded
from tests.sharing.sealed import (
    ACQUIRER,
    CARRIER,
    EVENT,
    ISSUER,
    JTI,
    JWKS,
    NOW_MS,
    OURS,
    PARTNERS,
    opener,
    private_set,
    sealed,
    sealer,
)

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "iat": 1_767_225_600,
    "jti": JTI,
    "aud": "acquirer",
    "sub_id": {"format": "opaque", "id": "case-1"},
    "events": {EVENT: {"outcome": "block"}},
}
HEADER = {"alg": "Ed25519", "typ": "secevent+jwt", "kid": OURS.kid}
TO = PARTNERS["acquirer"]
OUTER = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": TO.recipient_kid}
OF_FORMAT_OPAQUE = "about no opaque subject; expected `sub_id` of format opaque"
EVERYTHING = list(jws.JWSRegistry.algorithms)
ANY_ENCRYPTION = [*jwe.JWERegistry.algorithms["alg"], *jwe.JWERegistry.algorithms["enc"], "DEF"]


def reason(sealed: bytes, by: Opener | None = None) -> str:
    with pytest.raises(TokenError) as refusal:
        (by or opener()).open(sealed)
    return refusal.value.reason


def signed(claims: object = CLAIMS, header: dict[str, Any] = HEADER, key: Any = OURS.key) -> bytes:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.serialize_compact(header, body, key, registry=LAX).encode()


def encrypted(plaintext: bytes, header: dict[str, Any] = OUTER, key: Any = TO.recipient) -> bytes:
    # A copy: joserfc writes `epk` into the header that it is given.
    return jwe.encrypt_compact(dict(header), plaintext, key, algorithms=ANY_ENCRYPTION).encode()


LAX = jws.JWSRegistry(algorithms=EVERYTHING, strict_check_header=False)


def test_a_partner_reads_what_was_sealed_to_it() -> None:
    assert opener().open(sealed(b'{"outcome":"block","reasons":["card.velocity"]}')) == Token(
        issuer="https://store.example",
        audience="acquirer",
        jti=JTI,
        issued_at_s=1_767_225_600,
        sub_id="case-1",
        event_uri=EVENT,
        event=b'{"outcome":"block","reasons":["card.velocity"]}',
    )


def test_a_token_is_a_signed_event_inside_an_encryption_and_says_neither_sub_nor_exp() -> None:
    token = sealed()
    outer = json.loads(base64.urlsafe_b64decode(token.split(b".")[0] + b"=="))
    assert {name: outer[name] for name in ("alg", "enc", "cty", "kid")} == OUTER
    assert set(outer) == {"alg", "enc", "cty", "kid", "epk"}
    key = OKPKey.import_key(ACQUIRER["keys"][0])
    inside = jwe.decrypt_compact(token, key, algorithms=["ECDH-ES", "A256GCM"]).plaintext
    assert inside is not None
    found = jws.deserialize_compact(inside, OURS.key, algorithms=["Ed25519"])
    assert found.headers() == HEADER
    assert json.loads(found.payload) == CLAIMS


def test_two_sealings_of_one_message_share_nothing_but_the_header_of_the_partner() -> None:
    first, second = (sealed().split(b".") for _ in range(2))
    assert [a == b for a, b in zip(first, second, strict=True)] == [False, True, False, False, False]
    assert first[1] == b""


def test_a_token_to_one_partner_is_opened_by_no_other() -> None:
    assert reason(sealed(), Opener(CARRIER, JWKS, issuer=ISSUER, audience="carrier")) == "unknown_key"


def test_a_token_that_was_passed_on_is_refused_by_who_it_is_not_for() -> None:
    assert reason(encrypted(signed({**CLAIMS, "aud": "carrier"}))) == "wrong_audience"


def test_a_token_of_another_issuer_is_refused_though_a_known_key_signed_it() -> None:
    assert reason(encrypted(signed({**CLAIMS, "iss": "https://other.example"}))) == "wrong_issuer"


def test_a_token_signed_by_a_stranger_is_refused() -> None:
    stranger = SigningKey(bytes(32))
    assert reason(encrypted(signed(header={**HEADER, "kid": stranger.kid}, key=stranger.key))) == "unknown_key"
    assert reason(encrypted(signed(key=stranger.key))) == "forged"


@pytest.mark.parametrize("alg", ["none", "EdDSA", "HS256"])
def test_another_algorithm_is_refused_before_a_key_is_looked_for(alg: str) -> None:
    # HS256 with our public key as the secret is the classic confusion; EdDSA is the name that RFC 9864 retires.
    key = {"none": None, "EdDSA": OURS.key, "HS256": OctKey.import_key(OURS.x.encode())}[alg]
    with pytest.warns(SecurityWarning) if alg in {"EdDSA", "none"} else contextlib.nullcontext():
        token = signed(header={**HEADER, "alg": alg}, key=key)
    assert reason(encrypted(token)) == "algorithm"


@pytest.mark.parametrize(
    "header",
    [
        {**OUTER, "alg": "ECDH-ES+A256KW"},
        {**OUTER, "enc": "A128GCM"},
        {**OUTER, "enc": "A256CBC-HS512"},
        {**OUTER, "zip": "DEF"},
    ],
)
def test_another_encryption_is_refused(header: dict[str, Any]) -> None:
    assert reason(encrypted(signed(), header)) == "algorithm"


@pytest.mark.parametrize("cty", ["jwt", "text/plain"])
def test_an_encryption_of_something_else_is_no_token(cty: str) -> None:
    assert reason(encrypted(signed(), {**OUTER, "cty": cty})) == "type"


def test_a_shared_secret_in_place_of_key_agreement_is_refused() -> None:
    key = OctKey.import_key(base64.urlsafe_b64decode(TO.recipient.as_dict()["x"] + "="))
    assert reason(encrypted(signed(), {**OUTER, "alg": "dir"}, key)) == "algorithm"


@pytest.mark.parametrize(
    "extra", [{"jwk": OURS.jwk()}, {"crit": ["b64"], "b64": True}, {"jku": "https://evil.example"}]
)
def test_a_header_that_brings_its_own_key_or_rules_is_refused(extra: dict[str, Any]) -> None:
    assert reason(encrypted(signed(header={**HEADER, **extra}))) == "algorithm"


@pytest.mark.parametrize("typ", ["JWT", "secevent-ack+jwt", None])
def test_something_else_that_we_signed_is_no_token(typ: str | None) -> None:
    header = {name: value for name, value in {**HEADER, "typ": typ}.items() if value}
    assert reason(encrypted(signed(header=header))) == "type"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("sub", "someone", "with `sub`; expected an opaque `sub_id` alone"),
        ("exp", 1_800_000_000, "with `exp`; what happened does not expire"),
        ("events", {EVENT: {}, EVENT + "x": {}}, "of 2 events; expected exactly one"),
        ("aud", ["acquirer", "carrier"], "without one audience; expected `aud` to be one string"),
        ("aud", None, "without one audience; expected `aud` to be one string"),
        ("sub_id", {"format": "email", "email": "a@b.example"}, OF_FORMAT_OPAQUE),
        ("sub_id", None, OF_FORMAT_OPAQUE),
        ("sub_id", {"format": "opaque"}, "with other claims than ours have"),
        ("jti", "short", "with another `jti`; expected 128 bits in base64url"),
        ("jti", JTI + "\n", "with another `jti`; expected 128 bits in base64url"),
        ("iat", -1, "with other claims than ours have"),
        ("iat", 1.5, "with other claims than ours have"),
        ("txn", "1", "with other claims than ours have"),
    ],
)
def test_a_security_event_token_that_is_not_as_ours_are_is_refused_by_what_differs(
    name: str, value: object, why: str
) -> None:
    with pytest.raises(TokenError, match=f"^a security event token {re.escape(why)}$") as refusal:
        opener().open(encrypted(signed({**CLAIMS, name: value})))
    assert refusal.value.reason == "profile"


@pytest.mark.parametrize(
    ("name", "value", "member"),
    [("events", {}, "events"), ("events", {EVENT: "text"}, "events[...]"), ("iat", "now", "iat"), ("iss", None, "iss")],
)
def test_claims_that_are_no_security_event_token_are_refused_by_their_member(
    name: str, value: object, member: str
) -> None:
    with pytest.raises(TokenError) as refusal:
        opener().open(encrypted(signed({**CLAIMS, name: value})))
    assert refusal.value.reason == "malformed"
    assert str(refusal.value) == f"{member}: not as a security event token has it (RFC 8417)"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 10_000, b'{"iss":"\xff"}'])
def test_claims_that_are_no_json_object_are_refused(body: bytes) -> None:
    assert reason(encrypted(signed(body))) == "malformed"


@pytest.mark.parametrize(
    ("sealed", "why"),
    [
        (b"", "malformed"),
        (b"....", "malformed"),
        (b"a.b.c", "malformed"),
        (b"\xff.\xff.\xff.\xff.\xff", "malformed"),
        (b"W10....", "malformed"),
        (b"e30....", "algorithm"),
        (b"a" * 65_537, "oversize"),
        (b"." * 65_536, "malformed"),
    ],
)
def test_bytes_that_are_no_token_are_refused_with_a_reason(sealed: bytes, why: str) -> None:
    assert reason(sealed) == why


@pytest.mark.parametrize("epk", [None, [], {}, {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}, "x"])
def test_an_ephemeral_key_that_is_none_is_refused(epk: object) -> None:
    header = base64.urlsafe_b64encode(json.dumps({**OUTER, "epk": epk}).encode()).rstrip(b"=")
    assert reason(b".".join([header, *sealed().split(b".")[1:]])) == "algorithm"


def test_an_ephemeral_key_of_small_order_is_refused() -> None:
    epk = {"kty": "OKP", "crv": "X25519", "x": "A" * 43}
    header = base64.urlsafe_b64encode(json.dumps({**OUTER, "epk": epk}).encode()).rstrip(b"=")
    assert reason(b".".join([header, *sealed().split(b".")[1:]])) == "forged"


def test_a_kid_that_is_no_text_is_refused() -> None:
    token = sealed().split(b".")
    header = json.loads(base64.urlsafe_b64decode(token[0] + b"=="))
    changed = base64.urlsafe_b64encode(json.dumps({**header, "kid": 7}).encode()).rstrip(b"=")
    assert reason(b".".join([changed, *token[1:]])) == "malformed"


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_byte_that_is_changed_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TOKEN) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != TOKEN[place]))
    with pytest.raises(TokenError):
        opener().open(TOKEN[:place] + bytes([other]) + TOKEN[place + 1 :])


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_token_that_was_cut_or_lengthened_is_refused(data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(TOKEN) - 1))
    with pytest.raises(TokenError):
        opener().open(TOKEN[:end])
    with pytest.raises(TokenError):
        opener().open(TOKEN + data.draw(st.binary(min_size=1, max_size=8)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text(max_size=12).filter(lambda name: name != "jti"), JSON, max_size=6))
def test_any_payload_goes_round_byte_by_byte(payload: dict[str, Any]) -> None:
    body = msgspec.json.encode(payload)
    assert opener().open(sealed(body)).event == body


def bucket_of(size: int) -> int:
    return next(bucket for bucket in BUCKETS if size <= bucket)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 15_000))
def test_the_length_depends_on_the_bucket_alone(letters: int) -> None:
    token = sealed(b'{"a":"' + b"x" * letters + b'"}')
    claims = len(json.dumps({**CLAIMS, "events": {EVENT: {"a": "x" * letters}}}, separators=(",", ":")))
    assert len(token) == SIZES[bucket_of(claims)]


def test_a_withdrawal_is_as_long_as_what_it_withdraws() -> None:
    told = sealed(b'{"psp_reference":"psp_9f8e7d6c5b","outcome":"block","three_ds":"failed","reasons":["list.card"]}')
    assert len(sealed(b'{"supersedes":"BBBBBBBBBBBBBBBBBBBBBB","status":"withdrawn"}')) == len(told)


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 16384])
def test_padding_fills_the_next_bucket_with_spaces(size: int) -> None:
    body = padded(b"x" * size)
    assert len(body) == bucket_of(size)
    assert body == b"x" * size + b" " * (len(body) - size)


def test_what_fits_no_bucket_is_not_sealed() -> None:
    with pytest.raises(TokenError, match="claims of 16385 bytes; at most 16384 can be sealed"):
        padded(b"x" * 16385)
    with pytest.raises(TokenError) as refusal:
        sealed(b'{"a":"' + b"x" * 16_384 + b'"}')
    assert refusal.value.reason == "oversize"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b' {"a":1}',
        b'{"a":1} ',
        b'{"a":1},"https://other.example":{"b":2}',
        b'{"a":1}},"sub":"someone","x":{"y":{}',
        b'{"a":1}},"events":{"https://store.example/events/acquirer/1":{"a":1}',
        b'{"a":"\xff"}',
    ],
)
def test_a_payload_that_is_not_one_json_object_is_not_sealed(payload: bytes) -> None:
    with pytest.raises(TokenError) as refusal:
        sealed(payload)
    assert refusal.value.reason == "malformed"


def test_a_payload_that_names_another_message_is_not_sealed() -> None:
    assert opener().open(sealed(b'{"jti":"' + JTI.encode() + b'"}')).jti == JTI
    with pytest.raises(TokenError, match="the payload names another message"):
        sealed(b'{"jti":"BBBBBBBBBBBBBBBBBBBBBB"}')


@pytest.mark.parametrize(
    ("jti", "sub_id", "uri"),
    [
        ("short", "case-1", EVENT),
        (JTI + "A", "case-1", EVENT),
        (JTI, "", EVENT),
        (JTI, "x" * 257, EVENT),
        (JTI, "c", ""),
    ],
)
def test_what_nobody_could_read_as_ours_is_not_sealed(jti: str, sub_id: str, uri: str) -> None:
    with pytest.raises(TokenError):
        sealer().seal("acquirer", jti, sub_id, uri, b"{}", NOW_MS)


def test_nothing_is_sealed_to_a_partner_without_keys() -> None:
    with pytest.raises(TokenError, match="merchant: no public keys of this partner are held"):
        sealed(partner="merchant")


def test_no_error_quotes_what_was_to_be_sealed() -> None:
    with pytest.raises(TokenError) as refusal:
        sealed(b'{"name":"Layla Haddad"')
    assert "Layla" not in str(refusal.value)


def test_our_key_is_shown_and_kept_by_its_name_alone() -> None:
    assert repr(sealer()) == "<Sealer https://store.example, 2 partners>"
    assert repr(OURS) == f"<SigningKey {OURS.kid}>"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(OURS)


def test_a_partner_that_renewed_its_key_opens_what_was_sealed_to_the_old_one() -> None:
    both = {"keys": [*private_set(60)["keys"], *ACQUIRER["keys"]]}
    assert opened(sealed(), both, JWKS, issuer=ISSUER, audience="acquirer").jti == JTI


TOKEN = sealed()
SIZES = {
    bucket: len(Sealer(ISSUER, OURS, PARTNERS).seal("acquirer", JTI, "case-1", EVENT, body, NOW_MS))
    for bucket in BUCKETS
    for body in [b'{"a":"' + b"x" * (bucket - 400) + b'"}']
}
