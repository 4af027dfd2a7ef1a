"""Partners' key sets: what is taken, and what each refusal says."""

import json
from pathlib import Path
from typing import Any

import pytest

from sharing.errors import KeysError
from sharing.tokens.keys import SigningKey, load_partner, load_partners, partner_keys, thumbprint
from tests.sharing.sealed import ACQUIRER, CARRIER, private_set, public_set

PUBLIC = public_set(ACQUIRER)
ENC, SIG = PUBLIC["keys"]


def problem(*keys: Any) -> str:
    with pytest.raises(KeysError) as refusal:
        partner_keys("acquirer", {"keys": list(keys)}, "acquirer.json")
    return str(refusal.value)


def test_a_partners_set_is_one_key_to_encrypt_to_and_some_to_verify_by() -> None:
    second = public_set(private_set(60))["keys"][1]
    keys = partner_keys("acquirer", {"keys": [ENC, SIG, second]}, "acquirer.json")
    assert keys.recipient_kid == ENC["kid"]
    assert keys.recipient.as_dict(private=False)["x"] == ENC["x"]
    assert list(keys.signers) == [SIG["kid"], second["kid"]]
    assert not keys.recipient.is_private


def test_our_keys_name_is_its_thumbprint_and_its_seed_the_keyrings() -> None:
    # RFC 8037 appendix A: the seed, the public key and the thumbprint of A.3.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = SigningKey(seed)
    assert key.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert thumbprint("Ed25519", key.x) == key.kid
    assert key.jwk() == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": key.x,
        "kid": key.kid,
        "use": "sig",
        "alg": "Ed25519",
    }


def test_two_keys_to_encrypt_to_are_one_too_many_and_none_is_too_few() -> None:
    second = public_set(private_set(60))["keys"][0]
    assert problem(SIG) == 'acquirer.json: holds 0 keys with "use": "enc"; expected exactly one, on X25519'
    assert problem(ENC, second, SIG).startswith('acquirer.json: holds 2 keys with "use": "enc"')
    assert problem(ENC) == 'acquirer.json: holds 0 keys with "use": "sig"; expected 1 to 4, on Ed25519'
    five = [public_set(private_set(seed))["keys"][1] for seed in range(60, 70, 2)]
    assert problem(ENC, *five).startswith('acquirer.json: holds 5 keys with "use": "sig"')


def test_a_private_key_in_a_public_set_is_spoilt_and_never_quoted() -> None:
    message = problem(ACQUIRER["keys"][0], SIG)
    assert message == ("acquirer.json: keys[0]: holds a private key (`d`); make a new pair and send the public half")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ({**ENC, "use": "sig"}, '"use": "sig" with curve X25519; expected sig on Ed25519 or enc on X25519'),
        ({**SIG, "use": "enc"}, '"use": "enc" with curve Ed25519; expected sig on Ed25519 or enc on X25519'),
        ({**ENC, "x": "A" * 43}, "`x` is not a public key on X25519"),
        ({**SIG, "x": "A" * 43, "kid": "zero"}, "`x` is not a public key on Ed25519"),
        ({**SIG, "x": "AQ" + "A" * 41, "kid": "neutral"}, "`x` is not a public key on Ed25519"),
        ({**ENC, "x": ENC["x"][:-1] + "9"}, "`x` is not a public key on X25519"),
        ({**ENC, "x": ENC["x"][:-1]}, "Expected `str` matching regex '^[A-Za-z0-9_-]{43}$(?!\\\\n)' - at `$.x`"),
        ({**ENC, "crv": "X448"}, "Invalid enum value 'X448' - at `$.crv`"),
        ({**ENC, "kty": "EC"}, "Invalid enum value 'EC' - at `$.kty`"),
        ({name: ENC[name] for name in ("kty", "crv", "x", "use")}, "Object missing required field `kid`"),
        ({name: ENC[name] for name in ("kty", "crv", "x", "kid")}, "Object missing required field `use`"),
        ("key", "not a JWK"),
    ],
)
def test_a_key_that_is_not_as_it_must_be_is_refused_by_its_place(key: object, expected: str) -> None:
    assert problem(SIG, key) == f"acquirer.json: keys[1]: {expected}"


def test_two_keys_of_one_name_are_refused() -> None:
    assert problem(ENC, SIG, {**public_set(CARRIER)["keys"][1], "kid": SIG["kid"]}).endswith("have the same `kid`")
    assert problem(ENC, SIG, {**SIG, "kid": "other"}).endswith("have the same `x`")


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": {}}, {"keys": None}, "text"])
def test_what_is_no_set_is_refused(jwks: object) -> None:
    with pytest.raises(KeysError, match=r"^acquirer.json: not a JWK set; expected"):
        partner_keys("acquirer", jwks, "acquirer.json")


def written(path: Path, jwks: dict[str, Any]) -> Path:
    """A partner's file as `amana partner keys` writes it, with its name, unless the set has another."""
    path.write_text(json.dumps({"partner": path.stem} | jwks))
    return path


def test_a_folder_holds_one_file_for_each_partner(tmp_path: Path) -> None:
    written(tmp_path / "acquirer.json", PUBLIC)
    written(tmp_path / "carrier.json", public_set(CARRIER))
    (tmp_path / "README.txt").write_text("not a set")
    partners = load_partners(tmp_path)
    assert {name: keys.partner for name, keys in partners.items()} == {"acquirer": "acquirer", "carrier": "carrier"}
    assert partners["acquirer"].recipient_kid == ENC["kid"]


def test_two_partners_with_one_key_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "acquirer.json", PUBLIC)
    written(tmp_path / "merchant.json", {"keys": [public_set(CARRIER)["keys"][0], {**SIG, "kid": "renamed"}]})
    with pytest.raises(KeysError, match="acquirer and merchant hold the same key; each partner makes its own"):
        load_partners(tmp_path)


def test_two_files_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "acquirer.json", {"partner": "carrier", **public_set(CARRIER)})
    written(tmp_path / "carrier.json", {"partner": "acquirer", **PUBLIC})
    with pytest.raises(KeysError, match=r'acquirer.json: `partner` names another; expected "partner": "acquirer"'):
        load_partners(tmp_path)
    (tmp_path / "acquirer.json").unlink()
    with pytest.raises(KeysError, match=r'carrier.json: `partner` names another; expected "partner": "carrier"'):
        load_partners(tmp_path)


@pytest.mark.parametrize("more", [{}, {"partner": None}, {"name": "acquirer"}])
def test_a_file_that_does_not_say_whose_keys_it_holds_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    path = tmp_path / "acquirer.json"
    path.write_text(json.dumps(PUBLIC | more))
    with pytest.raises(KeysError) as refused:
        load_partner(path)
    assert str(refused.value) == (
        f'{path}: no member `partner`, which says whose keys these are; expected "partner": "acquirer" beside "keys"'
    )


def test_a_member_that_is_there_twice_is_refused_whichever_of_them_a_reader_would_take(tmp_path: Path) -> None:
    path = tmp_path / "carrier.json"
    path.write_text(json.dumps({"partner": "acquirer", **PUBLIC})[:-1] + ', "partner": "carrier"}')
    with pytest.raises(KeysError) as refused:
        load_partner(path)
    assert str(refused.value) == f"{path}: not JSON, or a member twice; expected a partner's JWK set"


def test_a_partners_private_file_among_the_public_ones_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "acquirer.private.json", ACQUIRER)
    with pytest.raises(KeysError, match=r"acquirer.private.json: a partner's private set, which stays with"):
        load_partners(tmp_path)


def test_a_partners_name_is_one_that_a_contract_may_have(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"a partner's name is lower-case letters, digits and hyphens"):
        load_partner(written(tmp_path / "Acquirer_1.json", PUBLIC))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b" " * 65_537, "longer than 65536 bytes"),
        (b"[" * 60_000, "not JSON"),
    ],
)
def test_a_file_that_is_no_set_is_refused_by_its_name(tmp_path: Path, body: bytes, expected: str) -> None:
    path = tmp_path / "acquirer.json"
    path.write_bytes(body)
    with pytest.raises(KeysError, match=f"acquirer.json: {expected}"):
        load_partner(path)


def test_a_file_or_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="No such file or directory; expected a partner's JWK set"):
        load_partner(tmp_path / "acquirer.json")
    with pytest.raises(KeysError, match="no such folder; expected partners' JWK sets"):
        load_partners(tmp_path / "partners")
