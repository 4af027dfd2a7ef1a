"""Sealing: a payload becomes a token that its partner alone can open and everyone who has our set can verify."""

from collections.abc import Callable, Mapping

import msgspec

from sharing.errors import TokenError
from sharing.tokens import claims, jose
from sharing.tokens.claims import Claims, Opaque
from sharing.tokens.keys import PartnerKeys, SigningKey
from sharing.tokens.padding import padded

Signer = Callable[[int], SigningKey]


class Sealer:
    """Makes tokens: a JWS of one event, inside a JWE. Holds our signing key; about 0.3 ms a token.

    Nonces and ephemeral keys come from the system's generator inside the library, not from an argument: with those that
    a caller repeats, A256GCM protects nothing.
    """

    def __init__(self, issuer: str, signing_key: SigningKey | Signer, partners: Mapping[str, PartnerKeys]) -> None:
        """`signing_key`: one key, or what gives the key that signs at a time (seconds): `keyset.Following`."""
        self.issuer = issuer
        self._signer: Signer = (lambda _: signing_key) if isinstance(signing_key, SigningKey) else signing_key
        self.partners = partners

    def seal(self, partner: str, jti: str, sub_id: str, event_uri: str, payload: bytes, issued_at_ms: int) -> bytes:
        """The sealed bytes of one event, a compact JWE. `payload`: JSON of one object, as the projection made it.

        `sub_id` must mean nothing to the partner but "the same case". The length depends on nothing but the bucket that
        the claims need and the partner's key. Raises TokenError.
        """
        keys = self.partners.get(partner)
        if keys is None:
            raise TokenError("unknown_partner", f"{partner}: no public keys of this partner are held")
        event = msgspec.Raw(payload)
        body = claims.write(
            Claims(
                iss=self.issuer,
                iat=issued_at_ms // 1000,
                jti=jti,
                aud=partner,
                sub_id=Opaque(id=sub_id),
                events={event_uri: event},
            )
        )
        signing = self._signer(issued_at_ms // 1000)
        signed = jose.sign(claims.TYP, padded(body), signing.kid, signing.key)
        return jose.encrypt(claims.CTY, signed.encode(), keys.recipient_kid, keys.recipient)

    def __repr__(self) -> str:
        return f"<Sealer {self.issuer}, {len(self.partners)} partners>"
