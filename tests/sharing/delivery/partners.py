"""Partners with keys of their own, and what they sign."""

import msgspec
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
        self.jwks = {"keys": [key.as_dict(private=False) for key in (self.key, sealing)]}

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


def _acknowledgement(said: dict[str, object]) -> Acknowledgement:

    return msgspec.convert(said, Acknowledgement)
