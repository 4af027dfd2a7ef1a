"""A small identity provider over real HTTP on loopback: it asks nobody anything and signs in whoever comes."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, Key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.harness.site import Site

CLIENT, SECRET = "amana-console", "s3cret: of the client"
MINUTE_S = 60


class Provider:
    """Signs with `key`; `sign` makes another token of the claims, `claims` replaces some of them (None: leaves out)."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s
        self.url = ""
        self.key: Key = ECKey.generate_key("P-256", {"kid": "one"})
        self.keys: list[Key] = [self.key]
        self.claims: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.token_status = 200
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._described),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _described(self, _: Request) -> Response:
        self.asked.append("document")
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/bye",
            "code_challenge_methods_supported": ["S256"],
        }
        return JSONResponse(found | self.document)

    async def _keys(self, _: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = dict(await request.form())
        asked = self.codes.pop(str(form.get("code")), None)
        if self.token_status != 200:
            return JSONResponse({"error": "server_error"}, self.token_status)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        fits = (
            asked is not None
            and asked["code_challenge_method"] == "S256"
            and asked["code_challenge"] == challenge.rstrip(b"=").decode()
            and asked["redirect_uri"] == form["redirect_uri"]
            and self._is_client(request.headers.get("authorization", ""), form)
        )
        if asked is None or not fits:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {
            "iss": self.url, "sub": "sub-1", "aud": CLIENT, "iat": self.now_s, "exp": self.now_s + 5 * MINUTE_S,
            "nonce": asked["nonce"], "preferred_username": "noura", "roles": ["fraud"],
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return JSONResponse({"id_token": self.sign(claims), "access_token": "x", "token_type": "Bearer"})

    def _is_client(self, authorization: str, form: dict[str, Any]) -> bool:
        """By the one way that it offers."""
        scheme, _, word = authorization.partition(" ")
        (way,) = self.document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if way != "client_secret_basic":
            secret = SECRET if way == "client_secret_post" else None
            return not authorization and (form.get("client_id"), form.get("client_secret")) == (CLIENT, secret)
        if scheme != "Basic":
            return False
        name, _, secret = base64.b64decode(word).decode().partition(":")
        return (unquote(name), unquote(secret)) == (CLIENT, SECRET)


@contextmanager
def provided(now_s: int) -> Iterator[Provider]:
    provider = Provider(now_s)
    with Site(provider.app()) as site:
        provider.url = site.url
        yield provider
