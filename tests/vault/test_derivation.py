import pytest

from vault.derivation import hkdf, key_for

LONG = bytes(range(80))


@pytest.mark.parametrize(
    ("root", "salt", "info", "length", "expected"),
    [
        pytest.param(
            b"\x0b" * 22,
            bytes(range(13)),
            bytes(range(0xF0, 0xFA)),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            id="A.1",
        ),
        pytest.param(
            LONG,
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            id="A.2",
        ),
        pytest.param(
            b"\x0b" * 22,
            b"",
            b"",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            id="A.3",
        ),
    ],
)
def test_the_vectors_of_rfc_5869_for_sha_256(root: bytes, salt: bytes, info: bytes, length: int, expected: str) -> None:
    assert hkdf(root, info, salt, length).hex() == expected


def test_parts_of_a_use_never_run_into_each_other() -> None:
    root = b"r" * 32
    keys = [key_for(root, "ab", "c"), key_for(root, "a", "bc"), key_for(root, "abc"), key_for(b"s" * 32, "ab", "c")]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}
