"""Which 32 bytes are a sound Ed25519 public key (RFC 8032 section 5.1.3).

OpenSSL takes any. With one of small order, one signature fits every message: whoever gave us such a key could say of
any acknowledgement that somebody else made it up. So a key must be written in the one canonical way, lie on the curve,
and not be one of the eight points whose eightfold is nothing.
"""

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
# The y of every point of small order: the neutral one, order 2, order 4, and the two that belong to order 8.
_EIGHTH = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL = frozenset({1, P - 1, 0, _EIGHTH, P - _EIGHTH})


def is_sound(key: bytes) -> bool:
    """Whether those bytes are a public key that a signature can be believed by. Half a millisecond."""
    if len(key) != 32:
        return False
    number = int.from_bytes(key, "little")
    y = number % 2**255
    if y >= P or y in SMALL:
        return False
    # x^2 = (y^2 - 1) / (d y^2 + 1) must be a square (Euler's criterion); either root may be meant, by the highest bit.
    x_squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return pow(x_squared, (P - 1) // 2, P) == 1
