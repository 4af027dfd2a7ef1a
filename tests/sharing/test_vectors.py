"""Published test vectors: what the standards' own examples give, and what our reading says of each of them.

The library must agree with the appendices, under the algorithm that each names; our own reading, which knows one
algorithm for each thing, must refuse all of them and say why.
"""

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe, jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, thumbprint

from sharing.errors import TokenError
from sharing.tokens import claims, jose
from sharing.tokens import keys as our_keys
from sharing.tokens.acknowledgements import Refused

FOLDER = Path(__file__).with_name("vectors")
KINDS = {"oct": OctKey, "RSA": RSAKey, "EC": ECKey}


def vectors(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def named(name: str) -> Any:
    return pytest.mark.parametrize("vector", [pytest.param(each, id=each["name"]) for each in vectors(name)])


def key_of(jwk: dict[str, Any]) -> Any:
    return KINDS[jwk["kty"]].import_key(jwk)


def base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def no_key(_: str) -> Any:
    pytest.fail("a key was looked for")


@named("rfc7515")
def test_signatures_of_rfc_7515_verify_under_their_own_algorithm_and_are_refused_by_ours(vector: Any) -> None:
    if vector["key"] is not None:
        found = jws.deserialize_compact(vector["jws"], key_of(vector["key"]), algorithms=[vector["alg"]])
        assert base64.urlsafe_b64encode(found.payload).rstrip(b"=").decode() == vector["jws"].split(".")[1]
        head, body, signature = vector["jws"].split(".")
        other = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        with pytest.raises(JoseError):
            jws.deserialize_compact(other, key_of(vector["key"]), algorithms=[vector["alg"]])
    with pytest.raises(TokenError, match=r"^`alg` is not Ed25519$") as refusal:
        jose.verify(vector["jws"].encode(), claims.TYP, no_key)
    assert refusal.value.reason == "algorithm"


def test_the_deterministic_signatures_of_rfc_7515_are_made_again() -> None:
    for vector in vectors("rfc7515")[:2]:
        payload = base64url(vector["jws"].split(".")[1])
        header, key = base64url(vector["jws"].split(".")[0]), key_of(vector["key"])
        alg = jws.JWSRegistry(algorithms=[vector["alg"]]).get_alg(vector["alg"])
        signing_input = vector["jws"].rpartition(".")[0].encode()
        assert json.loads(header)["alg"] == vector["alg"]
        assert base64url(vector["jws"].rpartition(".")[2]) == alg.sign(signing_input, key)
        assert payload.startswith(b'{"iss":"joe"')


@named("rfc7516")
def test_encryptions_of_rfc_7516_decrypt_under_their_own_algorithm_and_are_refused_by_ours(vector: Any) -> None:
    allowed = [vector["alg"], vector["enc"]]
    with pytest.warns(SecurityWarning) if vector["alg"] == "RSA1_5" else contextlib.nullcontext():
        found = jwe.decrypt_compact(vector["jwe"], key_of(vector["key"]), algorithms=allowed)
    assert found.plaintext == vector["plaintext"].encode()
    with pytest.raises(TokenError, match=r"^`alg` is not ECDH-ES$") as refusal:
        jose.decrypt(vector["jwe"].encode(), claims.CTY, no_key)
    assert refusal.value.reason == "algorithm"


def test_the_ed25519_signature_of_rfc_8037_is_ours_and_its_old_algorithm_name_is_not() -> None:
    vector = vectors("rfc8037")["ed25519"]
    ours = our_keys.SigningKey(base64url(vector["private"]["d"]))
    assert ours.x == vector["private"]["x"]
    alg = jws.JWSRegistry(algorithms=["Ed25519"]).get_alg("Ed25519")
    signature = alg.sign(vector["signing_input"].encode(), ours.key)
    assert base64.urlsafe_b64encode(signature).rstrip(b"=").decode() == vector["signature"]
    token = f"{vector['signing_input']}.{vector['signature']}"
    with pytest.warns(SecurityWarning):
        assert jws.deserialize_compact(token, ours.key, algorithms=["EdDSA"]).payload == b"Example of Ed25519 signing"
    with pytest.raises(TokenError, match=r"^`alg` is not Ed25519$"):
        jose.verify(token.encode(), claims.TYP, no_key)


def test_the_thumbprints_of_rfc_8037_and_rfc_7638_are_those_of_our_keys() -> None:
    vector = vectors("rfc8037")["ed25519"]
    assert our_keys.thumbprint("Ed25519", vector["private"]["x"]) == vector["thumbprint"]
    # RFC 7638 section 3.1: an RSA key, of which we have none, so the library that partners use is held to it.
    rsa = vectors("rfc7638")
    assert thumbprint({name: rsa["key"][name] for name in ("e", "kty", "n")}) == rsa["thumbprint"]
    okp = {"kty": "OKP", "crv": "Ed25519", "x": vector["private"]["x"]}
    assert OKPKey.import_key(okp).thumbprint() == vector["thumbprint"]


def test_the_key_agreement_of_rfc_8037_is_what_sealing_agrees_on() -> None:
    vector = vectors("rfc8037")["x25519"]
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector["ephemeral_private_hex"]))
    ephemeral = OKPKey.import_key(private)
    assert ephemeral.as_dict(private=False)["x"] == vector["ephemeral_x"]
    agreed = ephemeral.exchange_derive_key(OKPKey.import_key(vector["recipient"]))
    assert agreed.hex() == vector["agreed_hex"]


def test_the_key_derivation_of_rfc_7518_is_the_librarys() -> None:
    from joserfc._rfc7518.derive_key import derive_key_for_concat_kdf  # noqa: PLC0415 - no other way to reach it

    # Appendix C: the agreed secret, and the header whose parts go into the key.
    agreed = [158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156]
    agreed += [251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196]
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i"}
    derived = derive_key_for_concat_kdf(bytes(agreed), header, 128, None)
    assert base64.urlsafe_b64encode(derived).rstrip(b"=").decode() == "VqqN6vgjbSBcIijNcacQGg"


@named("rfc5869")
def test_keys_of_rfc_5869_are_derived_as_it_says(vector: Any) -> None:
    ikm, salt, info, okm = (bytes.fromhex(vector[name]) for name in ("ikm", "salt", "info", "okm"))
    assert HKDF(SHA256(), len(okm), salt or None, info).derive(ikm) == okm


@named("rfc8417")
def test_the_tokens_of_rfc_8417_are_security_event_tokens_and_each_differs_from_ours_as_told(vector: Any) -> None:
    body = json.dumps(vector["set"]).encode()
    found = msgspec.json.decode(body, type=claims.SecurityEvent)
    assert (found.iss, found.jti, found.events) == tuple(vector["set"][name] for name in ("iss", "jti", "events"))
    with pytest.raises(TokenError) as refusal:
        claims.read(body)
    assert (refusal.value.reason, str(refusal.value)) == ("profile", f"a security event token {vector['differs']}")


def test_a_token_of_rfc_8417_is_read_once_it_has_what_ours_have() -> None:
    account_disabled = vectors("rfc8417")[3]["set"]
    ours = {**account_disabled, "jti": "A" * 22, "sub_id": {"format": "opaque", "id": "1"}}
    found = claims.read(json.dumps(ours).encode())
    assert {uri: json.loads(bytes(event)) for uri, event in found.events.items()} == account_disabled["events"]


def test_the_pushed_token_of_rfc_8935_is_refused_for_its_algorithm_and_its_claims_are_a_security_event() -> None:
    vector = vectors("rfc8935")
    with pytest.raises(TokenError, match=r"^`alg` is not Ed25519$"):
        jose.verify(vector["set"].encode(), claims.TYP, no_key)
    with pytest.raises(TokenError, match="5 parts with dots between them are expected"):
        jose.decrypt(vector["set"].encode(), claims.CTY, no_key)
    found = msgspec.json.decode(base64url(vector["set"].split(".")[1]), type=claims.SecurityEvent)
    assert list(found.events) == ["https://schemas.openid.net/secevent/risc/event-type/account-disabled"]


def test_the_polled_tokens_of_rfc_8936_are_unsigned_and_refused() -> None:
    answer, empty = vectors("rfc8936")["responses"]
    for jti, token in answer["sets"].items():
        with pytest.raises(TokenError, match=r"^`alg` is not Ed25519$"):
            jose.verify(token.encode(), claims.TYP, no_key)
        assert msgspec.json.decode(base64url(token.split(".")[1]), type=claims.SecurityEvent).jti == jti
    assert empty == {"sets": {}}


def test_the_refusals_of_rfc_8935_and_8936_are_what_an_acknowledgement_may_say() -> None:
    refusals = [vectors("rfc8935")["refusal"]]
    refusals += [each for request in vectors("rfc8936")["requests"] for each in request.get("setErrs", {}).values()]
    read = [msgspec.convert(each, Refused) for each in refusals]
    assert [each.err for each in read] == ["invalid_key", "authentication_failed"]
