"""Opening: what a partner does with sealed bytes, in our own words; tests, the sandbox and the demo open with it.

The partners' examples (examples/partner/) do the same without a line of ours.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from sharing.errors import KeysError, TokenError
from sharing.tokens import claims, jose
from sharing.tokens.keys import imported, public_jwks


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says; `event` is the payload's JSON, for the contract's closed type to read."""

    issuer: str
    audience: str
    jti: str
    issued_at_s: int
    sub_id: str
    event_uri: str
    event: bytes


class Opener:
    """Opens what was sealed to one partner. It opens a token twice: whoever receives them keeps the `jti`s."""

    def __init__(self, private_jwks: Mapping[str, Any], jwks: Mapping[str, Any], *, issuer: str, audience: str) -> None:
        """`private_jwks`: the partner's own set, whose X25519 keys are used; `jwks`: what the issuer publishes."""
        self._held = _private_keys(private_jwks)
        self._signers = {jwk.kid: imported(jwk) for jwk in public_jwks(jwks, "the issuer's set") if jwk.use == "sig"}
        self._issuer = issuer
        self._audience = audience

    def open(self, sealed: bytes) -> Token:
        """Decrypt, then verify, then read. Raises TokenError: `reason` says what is wrong."""
        signed = jose.decrypt(sealed, claims.CTY, self._held.get)
        _, body = jose.verify(signed, claims.TYP, self._signers.get)
        found = claims.read(body)
        if found.iss != self._issuer:
            raise TokenError("wrong_issuer", f"`iss` is not {self._issuer}")
        if found.aud != self._audience:
            raise TokenError("wrong_audience", f"`aud` is not {self._audience}")
        ((event_uri, event),) = found.events.items()
        return Token(
            issuer=found.iss,
            audience=found.aud,
            jti=found.jti,
            issued_at_s=found.iat,
            sub_id=found.sub_id.id,
            event_uri=event_uri,
            event=bytes(event),
        )


def opened(
    sealed: bytes, private_jwks: Mapping[str, Any], jwks: Mapping[str, Any], *, issuer: str, audience: str
) -> Token:
    """One token, opened; Opener opens many. Raises TokenError, KeysError."""
    return Opener(private_jwks, jwks, issuer=issuer, audience=audience).open(sealed)


def _private_keys(jwks: Mapping[str, Any]) -> dict[str, OKPKey]:
    try:
        held = [OKPKey.import_key(jwk) for jwk in jwks["keys"] if jwk["crv"] == "X25519"]
        return {str(key.kid): key for key in held if key.is_private and key.kid}
    except (JoseError, KeyError, TypeError, ValueError):
        raise KeysError("the private set: not a JWK set with an X25519 key and its `kid`") from None
