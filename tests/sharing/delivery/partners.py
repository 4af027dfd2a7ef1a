"""Partners with keys of their own, and what they sign."""

import json
import secrets
import time

import msgspec
from joserfc import jws
from joserfc.jwk import OKPKey

from sharing.tokens import Acknowledgement, PartnerKeys, signed_acknowledgement
from sharing.tokens.keys import partner_keys

ISSUER = "https://store.example"


class Partner:
    """`key` signs; `jwks` is what it gives us."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)
        sealing = OKPKey.generate_key("X25519", {"use": "enc"}, private=True, auto_kid=True)
        self.private = {"keys": [key.as_dict(private=True) for key in (self.key, sealing)]}
        self.jwks = {"partner": name, "keys": [key.as_dict(private=False) for key in (self.key, sealing)]}

    @property
    def keys(self) -> PartnerKeys:
        return partner_keys(self.name, self.jwks, self.name)

    def acknowledges(
        self, *jtis: str, own: str, now_ms: int, errs: dict[str, str] | None = None, **more: object
    ) -> bytes:
        """Signed; `own` is the acknowledgement's id."""
        said = {
            "iss": self.name,
            "aud": ISSUER,
            "iat": now_ms // 1000,
            "jti": own,
            "acks": jtis,
            "errs": {jti: {"err": code} for jti, code in (errs or {}).items()},
        }
        return signed_acknowledgement(_acknowledgement(said | more), str(self.key.kid), self.key)

    def asserts(self, audience: str, now_s: float | None = None) -> str:
        """A client assertion for now."""
        now_s = int(time.time() if now_s is None else now_s)
        said = {"iss": self.name, "sub": self.name, "aud": audience, "iat": now_s, "exp": now_s + 60}
        said["jti"] = secrets.token_urlsafe(16)
        header = {"alg": "Ed25519", "typ": "JWT", "kid": str(self.key.kid)}
        return jws.serialize_compact(header, json.dumps(said), self.key, algorithms=["Ed25519"])


def _acknowledgement(said: dict[str, object]) -> Acknowledgement:

    return msgspec.convert(said, Acknowledgement)
