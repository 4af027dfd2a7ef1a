"""Padding: what is sealed has one of five sizes, so that its length tells at most which of them it needed.

JSON may end in white space (RFC 8259 section 2), so the signed claims are filled up with spaces to the next bucket: no
reader needs to know of it, the signature covers it, and it is inside the encryption. Nearly every message of the worked
contracts needs the first bucket: a withdrawal is as long as what it withdraws, one reason code as long as five.
"""

from sharing.errors import TokenError

BUCKETS = (1024, 2048, 4096, 8192, 16384)


def padded(claims: bytes) -> bytes:
    """The claims with spaces after them. Raises TokenError when no bucket is large enough."""
    for bucket in BUCKETS:
        if len(claims) <= bucket:
            return claims.ljust(bucket, b" ")
    raise TokenError("oversize", f"claims of {len(claims)} bytes; at most {BUCKETS[-1]} can be sealed")
