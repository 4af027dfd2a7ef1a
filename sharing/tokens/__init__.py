"""Tokens: one event for one partner, signed by us (JWS), encrypted to the partner (JWE), of a size that tells nothing.

In: a payload that was projected, our key, a partner's public keys; a partner's signed acknowledgement. Out: sealed
bytes; an acknowledgement that was verified. Never: an algorithm that a message chose, a token that says `sub` or `exp`.
"""

from sharing.tokens.acknowledgements import Acknowledgement, signed_acknowledgement, verify_acknowledgement
from sharing.tokens.keys import PartnerKeys, SigningKey
from sharing.tokens.opening import Opener, Token, opened
from sharing.tokens.sealing import Sealer

__all__ = [
    "Acknowledgement",
    "Opener",
    "PartnerKeys",
    "Sealer",
    "SigningKey",
    "Token",
    "opened",
    "signed_acknowledgement",
    "verify_acknowledgement",
]
