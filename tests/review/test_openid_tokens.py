"""What a provider's token must say, and who must have signed it."""

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from review.access.openid import LARGEST_TOKEN, OpenID, Proved, Try, load, proved
from review.access.provider import _usable, secret_of
from review.errors import BadOpenID, NotProved
from tests.review.oidc_provider import CLIENT, SECRET

NOW_S = 1_800_000_000
KEY = ECKey.generate_key("P-256", {"kid": "one"})
PUBLIC: list[Key] = [ECKey.import_key(KEY.as_dict(private=False))]
SETTINGS = OpenID(
    issuer="https://id.example", client_id=CLIENT, console="https://console.example",
    roles={"fraud": ("analyst",), "heads": ("lead", "auditor")},
)  # fmt: skip
CLAIMS = {
    "iss": "https://id.example", "sub": "sub-1", "aud": CLIENT, "iat": NOW_S, "exp": NOW_S + 300, "nonce": "n-1",
    "preferred_username": "noura", "roles": ["fraud"],
}  # fmt: skip
Make = Callable[[dict[str, Any]], str]


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None, key: Key = KEY) -> str:
    return jwt.encode(header or {"alg": "ES256", "kid": "one"}, claims, key)


def claimed(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}


def test_a_token_proves_who_somebody_is() -> None:
    assert proved(signed(CLAIMS), PUBLIC, SETTINGS, "n-1", NOW_S) == Proved(
        issuer="https://id.example",
        subject="sub-1",
        username="noura",
        roles=("analyst",),
        nonce="n-1",
        until_ms=(NOW_S + 360) * 1000 + 1,
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"iss": "https://id.example/"}, "iss"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": ["another-client"]}, "aud"),
        ({"aud": []}, "aud, azp"),
        ({"aud": [CLIENT, "another-client"]}, "azp"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "azp"),
        ({"azp": "another-client"}, "azp"),
        ({"nonce": "of another try"}, "nonce"),
        ({"nonce": None}, "claims"),
        ({"exp": NOW_S - 60}, "exp"),
        ({"exp": float("nan")}, "claims"),
        ({"exp": float("inf")}, "claims"),
        ({"exp": "never"}, "claims"),
        ({"exp": True}, "claims"),
        ({"iat": NOW_S - 661}, "iat"),
        ({"iat": NOW_S + 61}, "iat"),
        ({"iat": None}, "claims"),
        ({"nbf": NOW_S + 61}, "nbf"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": 7}, "claims"),
        ({"preferred_username": None}, "username"),
        ({"preferred_username": "<script>"}, "username"),
        ({"preferred_username": "noura\n"}, "username"),
        ({"preferred_username": ["noura"]}, "username"),
    ],
)
def test_a_claim_that_is_not_as_it_must_be_is_named_and_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(NotProved, match=f"^{why}$"):
        proved(signed(claimed(**changed)), PUBLIC, SETTINGS, "n-1", NOW_S)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another-client"], "azp": CLIENT},
        {"exp": NOW_S - 59},
        {"iat": NOW_S + 60},
        {"iat": NOW_S - 660},
    ],
)
def test_what_is_just_as_it_may_be_is_taken(changed: dict[str, Any]) -> None:
    assert proved(signed(claimed(**changed)), PUBLIC, SETTINGS, "n-1", NOW_S).subject == "sub-1"


def _unsigned(claims: dict[str, Any]) -> str:
    return _joined(b'{"alg":"none"}', json.dumps(claims).encode()) + "."


def _by_a_shared_secret(secret: bytes, header: dict[str, Any]) -> Make:
    def made(claims: dict[str, Any]) -> str:
        said = _joined(json.dumps({"alg": "HS256"} | header).encode(), json.dumps(claims).encode())
        return said + "." + _joined(hmac.digest(secret, said.encode(), "sha256"))

    return made


def _joined(*parts: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _changed(claims: dict[str, Any]) -> str:
    header, _, signature = signed(claims).split(".")
    return f"{header}.{_joined(json.dumps(claims | {'roles': ['heads']}).encode())}.{signature}"


def _carrying_its_own_key(claims: dict[str, Any]) -> str:
    other = ECKey.generate_key("P-256")
    return signed(claims, {"alg": "ES256", "jwk": other.as_dict(private=False)}, other)


OTHER = ECKey.generate_key("P-256")
HOSTILE: dict[str, Make] = {
    "alg none": _unsigned,
    "HS256 with the public key": _by_a_shared_secret(KEY.as_pem(private=False), {"kid": "one"}),
    "HS256 with the client's secret": _by_a_shared_secret(SECRET.encode(), {}),
    "another key under a known name": lambda claims: signed(claims, {"alg": "ES256", "kid": "one"}, OTHER),
    "another key under an unknown name": lambda claims: signed(claims, {"alg": "ES256", "kid": "two"}, OTHER),
    "another key without a name": lambda claims: signed(claims, {"alg": "ES256"}, OTHER),
    "an algorithm that is not listed": lambda claims: jwt.encode(
        {"alg": "RS512", "kid": "one"}, claims, RSAKey.generate_key(2048), algorithms=["RS512"]
    ),
    "an algorithm of another kind of key": lambda claims: signed(claims, {"alg": "RS256"}, RSAKey.generate_key(2048)),
    "its own key in the header": _carrying_its_own_key,
    "changed after signing": _changed,
    "no token": lambda _: "no.token.atall",
    "nothing": lambda _: "",
    "not ASCII": lambda _: "é.é.é",
    "too long": lambda claims: signed(claims | {"filler": "x" * LARGEST_TOKEN}),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("how", HOSTILE)
def test_what_the_issuers_keys_did_not_sign_in_a_listed_way_proves_nothing(how: str) -> None:
    with pytest.raises(NotProved, match=r"^(signature|length)$"):
        proved(HOSTILE[how](CLAIMS), PUBLIC, SETTINGS, "n-1", NOW_S)


def test_of_several_keys_a_token_must_name_its_own() -> None:
    keys = [*PUBLIC, ECKey.generate_key("P-256", {"kid": "two"})]
    assert proved(signed(CLAIMS), keys, SETTINGS, "n-1", NOW_S).subject == "sub-1"
    with pytest.raises(NotProved):
        proved(signed(CLAIMS, {"alg": "ES256"}), keys, SETTINGS, "n-1", NOW_S)


def test_shared_secrets_and_keys_for_sealing_are_none_of_the_issuers_keys() -> None:
    found = [
        OctKey.generate_key(256).as_dict(),
        KEY.as_dict(private=False) | {"use": "enc"},
        {"kty": "of tomorrow"},
        {"kty": "EC"},
        KEY.as_dict(private=False),
    ]
    assert [key.kid for key in _usable(found)] == ["one"]


def test_roles_are_found_where_the_provider_has_them_and_an_address_is_no_name() -> None:
    nested = {
        "roles": None,
        "realm_access": {"roles": ["heads", "fraud", 7]},
        "preferred_username": "Noura@shop.example",
    }
    settings = OpenID(
        issuer=SETTINGS.issuer, client_id=CLIENT, console=SETTINGS.console, roles=SETTINGS.roles,
        roles_claim=("realm_access", "roles"),
    )  # fmt: skip
    found = proved(signed(claimed(**nested)), PUBLIC, settings, "n-1", NOW_S)
    assert (found.username, found.roles) == ("noura", ("analyst", "auditor", "lead"))


def test_all_that_binds_a_try_to_its_browser_comes_from_its_word_and_tells_nothing_of_it() -> None:
    one, other = Try("a"), Try("b")
    assert one.state == Try("a").state
    assert len({one.state, one.nonce, one.verifier, one.challenge, other.state, other.nonce}) == 6
    assert 43 <= len(one.verifier) <= 128  # RFC 7636 4.1


GOOD = """\
issuer: https://id.example
client_id: amana-console
console: https://console.example
roles:
  fraud: [analyst]
"""


def test_a_file_says_how_people_sign_in(tmp_path: Path) -> None:
    path = tmp_path / "openid.yaml"
    path.write_text(GOOD + "client_secret_file: secret\n")
    (tmp_path / "secret").write_text("of the client\n")
    settings = load(path)
    assert settings.redirect == "https://console.example/sign-in/openid/back"
    assert settings.roles == {"fraud": ("analyst",)}
    assert secret_of(settings, path) == "of the client"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("https://id", "http://id"), "issuer: expected an https address"),
        (GOOD.replace("id.example", "id.example?tenant=1"), "issuer: expected an https address"),
        (GOOD.replace("https://id.example", "http://127.0.0.1:9000"), "issuer: expected an https address"),
        (GOOD.replace("https://id.example", "http://id.example") + "loopback: true\n", "issuer: expected"),
        (GOOD.replace("https://id", "https://user@id"), "issuer: expected an https address"),
        (GOOD.replace("console.example", "console.example/amana"), "console: expected https"),
        (GOOD.replace("https://console", "http://console"), "console: expected https"),
        (GOOD.replace("[analyst]", "[order_service]"), "Invalid enum value 'order_service'"),
        (GOOD.replace("[analyst]", "[]"), "roles: expected"),
        (GOOD + "scopes: [profile]\n", "scopes: expected `openid`"),
        (GOOD + "algorithms: [HS256]\n", "Invalid enum value 'HS256'"),
        (GOOD + "algorithms: [none]\n", "Invalid enum value 'none'"),
        (GOOD + "algorithm: RS256\n", "unknown field `algorithm`"),
        ("[", "not YAML"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_a_file_that_cannot_be_worked_with_is_refused_by_its_place(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "openid.yaml"
    path.write_text(text)
    with pytest.raises(BadOpenID, match=why):
        load(path)


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_secret_that_is_not_there_is_said(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "openid.yaml"
    path.write_text(GOOD + "client_secret_file: secret\n")
    if text is not None:
        (tmp_path / "secret").write_text(text)
    with pytest.raises(BadOpenID, match="expected the client's secret"):
        secret_of(load(path), path)
