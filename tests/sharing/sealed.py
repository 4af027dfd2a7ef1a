"""Keys for tests, made from fixed seeds, and a sealer between two of them."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import OKPKey

from sharing.tokens import Opener, PartnerKeys, Sealer, SigningKey
from sharing.tokens.keys import partner_keys

ISSUER = "https://store.example"
EVENT = "https://store.example/events/acquirer/1"
JTI = "A" * 22
NOW_MS = 1_767_225_600_000
OURS = SigningKey(bytes([7]) * 32)
JWKS = {"keys": [OURS.jwk()]}


def private_set(seed: int) -> dict[str, Any]:
    """A partner's own set: an X25519 and an Ed25519 key from that seed."""
    pair = (
        OKPKey.import_key(X25519PrivateKey.from_private_bytes(bytes([seed]) * 32), {"use": "enc"}),
        OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(bytes([seed + 1]) * 32), {"use": "sig"}),
    )
    return {"keys": [{**key.as_dict(private=True), "kid": key.thumbprint()} for key in pair]}


def public_set(private: dict[str, Any]) -> dict[str, Any]:
    return {"keys": [{name: value for name, value in key.items() if name != "d"} for key in private["keys"]]}


ACQUIRER = private_set(20)
CARRIER = private_set(40)
PARTNERS: dict[str, PartnerKeys] = {
    "acquirer": partner_keys("acquirer", public_set(ACQUIRER), "acquirer"),
    "carrier": partner_keys("carrier", public_set(CARRIER), "carrier"),
}
ACQUIRER_KID = ACQUIRER["keys"][1]["kid"]
ACQUIRER_SIGNS = OKPKey.import_key(ACQUIRER["keys"][1])


def sealer() -> Sealer:
    return Sealer(ISSUER, OURS, PARTNERS)


def opener() -> Opener:
    return Opener(ACQUIRER, JWKS, issuer=ISSUER, audience="acquirer")


def sealed(payload: bytes = b'{"outcome":"block"}', jti: str = JTI, partner: str = "acquirer") -> bytes:
    return sealer().seal(partner, jti, "case-1", EVENT, payload, NOW_MS)
