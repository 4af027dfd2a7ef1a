"""A partner's new key pair: what is in it, where it goes, and that nothing is overwritten."""

import json
import secrets
import stat
from pathlib import Path

import pytest

from sharing.errors import KeysError
from sharing.tokens import Opener, Sealer
from sharing.tokens.keys import load_partner, thumbprint
from sharing.tokens.making import load_private, private_set, public_half, write_pair
from tests.sharing.full_disk import no_more_than
from tests.sharing.sealed import EVENT, ISSUER, JTI, JWKS, NOW_MS, OURS


def test_a_pair_is_a_key_to_be_encrypted_to_and_one_to_sign_with_each_named_by_its_thumbprint() -> None:
    seeds = iter([bytes([1]) * 32, bytes([2]) * 32])
    made = private_set(lambda _: next(seeds))["keys"]
    assert [(key["crv"], key["use"], key["alg"]) for key in made] == [
        ("X25519", "enc", "ECDH-ES"),
        ("Ed25519", "sig", "Ed25519"),
    ]
    assert [key["kid"] for key in made] == [thumbprint(key["crv"], key["x"]) for key in made]
    assert [sorted(key) for key in public_half({"keys": made})["keys"]] == [
        ["alg", "crv", "kid", "kty", "use", "x"],
        ["alg", "crv", "kid", "kty", "use", "x"],
    ]


def test_a_made_pair_opens_what_is_sealed_to_its_public_half(tmp_path: Path) -> None:
    private, public = write_pair(tmp_path / "new", "acquirer", lambda size: bytes(range(size)))
    sealed = Sealer(ISSUER, OURS, {"acquirer": load_partner(public)}).seal(
        "acquirer", JTI, "case-1", EVENT, b"{}", NOW_MS
    )
    assert Opener(load_private(private), JWKS, issuer=ISSUER, audience="acquirer").open(sealed).jti == JTI
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert '"d"' not in public.read_text()
    assert json.loads(public.read_text())["partner"] == "acquirer"


def test_a_pair_is_never_overwritten(tmp_path: Path) -> None:
    private, _ = write_pair(tmp_path, "acquirer", bytes)
    before = private.read_bytes()
    with pytest.raises(KeysError, match=r"acquirer.private.json: already exists; a key is never overwritten"):
        write_pair(tmp_path, "acquirer", lambda size: b"x" * size)
    private.rename(tmp_path / "elsewhere")
    with pytest.raises(KeysError, match=r"acquirer.json: already exists"):
        write_pair(tmp_path, "acquirer", lambda size: b"x" * size)
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert not private.exists()


@pytest.mark.parametrize("name", ["", "Acquirer", "../acquirer", "a" * 33, "1st"])
def test_a_name_that_no_contract_could_have_gets_no_pair(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="a partner's name is lower-case letters, digits and hyphens"):
        write_pair(tmp_path, name, bytes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "expected"), [("{", "not JSON"), ("[]", "not a JWK set"), ('{"keys":1}', "not a JWK set")]
)
def test_a_private_file_that_is_none_is_named(tmp_path: Path, body: str, expected: str) -> None:
    path = tmp_path / "acquirer.private.json"
    path.write_text(body)
    with pytest.raises(KeysError, match=f"acquirer.private.json: {expected}"):
        load_private(path)
    with pytest.raises(KeysError, match="No such file or directory; expected a private JWK set"):
        load_private(tmp_path / "none")
    for opened in ({"keys": [{"crv": "X25519"}]}, {"keys": [1]}, {}):
        with pytest.raises(KeysError, match="the private set: not a JWK set with an X25519 key"):
            Opener(opened, JWKS, issuer=ISSUER, audience="acquirer")


def test_a_disk_that_is_full_leaves_no_piece_of_a_key_in_the_way(tmp_path: Path) -> None:
    with no_more_than(10), pytest.raises(KeysError, match=r"^/.*: File too large; expected a folder"):
        write_pair(tmp_path / "keys", "acquirer", secrets.token_bytes)
    assert list((tmp_path / "keys").iterdir()) == []
