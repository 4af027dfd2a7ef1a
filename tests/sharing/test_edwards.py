"""Sound Ed25519 keys, against a naive arithmetic of the curve."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.tokens.edwards import SMALL, D, P, is_sound

Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def added(a: Point, b: Point) -> Point:
    """RFC 8032 section 5.1.4, by the plain formula."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def on_curve(y: int) -> Point | None:
    """The point of that y whose x is even, found by trying the two roots; None where there is none."""
    squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(squared, (P + 3) // 8, P)
    for x in (root, root * pow(2, (P - 1) // 4, P) % P):
        if x * x % P == squared:
            return (x if x % 2 == 0 else P - x), y
    return None


def eightfold(point: Point) -> Point:
    for _ in range(3):
        point = added(point, point)
    return point


def test_the_points_of_small_order_are_those_whose_eightfold_is_nothing() -> None:
    points = [on_curve(y) for y in SMALL]
    assert [eightfold(point) for point in points if point] == [NEUTRAL] * 5
    # The group has eight of them: x and -x, but for the neutral one and the one of order two, where x is 0.
    assert sum(2 if point and point[0] else 1 for point in points) == 8


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [*sorted(SMALL), P, P + 1])
def test_a_key_of_small_order_is_not_sound_however_it_is_written(y: int, sign: int) -> None:
    assert not is_sound((y | sign).to_bytes(32, "little"))


def test_a_signature_that_fits_everything_is_why() -> None:
    # The neutral point as the key, the neutral point as R, 0 as S: the equation holds for any message.
    key = Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    signature = (1).to_bytes(32, "little") + bytes(32)
    key.verify(signature, b"I took it")
    key.verify(signature, b"I did not")


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_was_made_as_keys_are_is_sound(seed: bytes) -> None:
    assert is_sound(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


@settings(max_examples=100, deadline=None)
@given(st.integers(2, P - 2))
def test_bytes_are_sound_where_there_is_a_point(y: int) -> None:
    point = on_curve(y)
    sound = point is not None and eightfold(point) != NEUTRAL
    assert is_sound(y.to_bytes(32, "little")) is sound
    assert is_sound((y | 1 << 255).to_bytes(32, "little")) is sound


def test_31_bytes_are_no_key() -> None:
    assert not is_sound(bytes(31))
