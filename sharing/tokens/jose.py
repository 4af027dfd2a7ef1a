"""The one place that calls joserfc: one algorithm for each thing, written here and never taken from a message.

Signatures are Ed25519 under its own name (RFC 9864; `EdDSA`, which that RFC retires, is refused, and `none` with it).
Encryption is ECDH-ES over X25519 straight to a content key for A256GCM (RFC 7518 section 4.6, RFC 8037), without `zip`.
A header must have exactly the members that it is made with here: what is not expected (`crit`, `jwk`, `zip`, `b64`) is
refused before any key is touched.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode

from sharing.errors import TokenError

ALG: Literal["Ed25519"] = "Ed25519"
KEY_ALG = "ECDH-ES"
ENC = "A256GCM"
# Whatever is longer was not made by us: the largest payload, as base64url twice over, with what stands around it.
MAX_SEALED_BYTES = 64 * 1024
MAX_SIGNED_BYTES = 48 * 1024

_SIGNED = jws.JWSRegistry(algorithms=[ALG])
_ENCRYPTED = jwe.JWERegistry(algorithms=[KEY_ALG, ENC])
Find = Callable[[str], OKPKey | None]


def sign(typ: str, payload: bytes, kid: str, key: OKPKey) -> str:
    """A compact JWS. About 70 microseconds for a kilobyte."""
    return jws.serialize_compact({"alg": ALG, "typ": typ, "kid": kid}, payload, key, registry=_SIGNED)


def verify(signed: bytes, typ: str, find: Find) -> tuple[str, bytes]:
    """The `kid` and the payload of a compact JWS of that type. Raises TokenError; `find` gives a kid's public key."""
    if len(signed) > MAX_SIGNED_BYTES:
        raise TokenError("oversize", f"a signature of more than {MAX_SIGNED_BYTES} bytes")
    header = _header(signed, 3, "a compact JWS")
    _expect(header, {"alg": ALG, "typ": typ}, {"alg", "typ", "kid"})
    key = find(_kid(header))
    if key is None:
        raise TokenError("unknown_key", "signed with a key that is not in the set")
    try:
        found = jws.deserialize_compact(signed, key, registry=_SIGNED)
    except (JoseError, ValueError, TypeError, AssertionError):
        raise TokenError("forged", "the signature is not of the key that it names") from None
    return header["kid"], found.payload


def encrypt(cty: str, plaintext: bytes, kid: str, key: OKPKey) -> bytes:
    """A compact JWE under a fresh key of its own. About 200 microseconds for a kilobyte."""
    header = {"alg": KEY_ALG, "enc": ENC, "cty": cty, "kid": kid}
    return jwe.encrypt_compact(header, plaintext, key, registry=_ENCRYPTED).encode()


def decrypt(sealed: bytes, cty: str, find: Find) -> bytes:
    """The plaintext of a compact JWE. Raises TokenError; `find` gives a kid's private key."""
    if len(sealed) > MAX_SEALED_BYTES:
        raise TokenError("oversize", f"more than {MAX_SEALED_BYTES} sealed bytes")
    header = _header(sealed, 5, "a compact JWE")
    _expect(header, {"alg": KEY_ALG, "enc": ENC, "cty": cty}, {"alg", "enc", "cty", "kid", "epk"})
    epk = header["epk"]
    if not isinstance(epk, dict) or set(epk) != {"kty", "crv", "x"} or (epk["kty"], epk["crv"]) != ("OKP", "X25519"):
        raise TokenError("algorithm", "`epk` is not a public key on X25519")
    key = find(_kid(header))
    if key is None:
        raise TokenError("unknown_key", "encrypted to a key that is not held")
    try:
        found = jwe.decrypt_compact(sealed, key, registry=_ENCRYPTED).plaintext
    except (JoseError, ValueError, TypeError, AssertionError):
        raise TokenError("forged", "it does not decrypt under the key that it names") from None
    if found is None:
        raise TokenError("malformed", "nothing was encrypted")
    return found


def _header(compact: bytes, parts: int, what: str) -> dict[str, Any]:
    """The first part's JSON, nothing of which is believed yet."""
    segments = compact.split(b".")
    if len(segments) != parts:
        raise TokenError("malformed", f"not {what}: {parts} parts with dots between them are expected")
    try:
        return msgspec.json.decode(urlsafe_b64decode(segments[0]), type=dict[str, Any])
    except (ValueError, RecursionError, msgspec.DecodeError):
        raise TokenError("malformed", f"the header of {what} is not base64url of a JSON object") from None


def _expect(header: Mapping[str, Any], values: Mapping[str, str], members: set[str]) -> None:
    for name, expected in values.items():
        if header.get(name) != expected:
            reason = "algorithm" if name in {"alg", "enc"} else "type"
            raise TokenError(reason, f"`{name}` is not {expected}")
    if set(header) != members:
        raise TokenError("algorithm", f"the header has other members than {', '.join(sorted(members))}")


def _kid(header: Mapping[str, Any]) -> str:
    kid = header["kid"]
    if not isinstance(kid, str):
        raise TokenError("malformed", "`kid` is not a string")
    return kid
