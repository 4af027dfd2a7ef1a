"""The partners' endpoints in memory, with a partner that asks."""

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa
from joserfc import jws

from sharing.delivery.counter import Counter
from sharing.delivery.http import Endpoints, HttpSettings
from sharing.delivery.streams import Terms
from tests.sharing.delivery.fakes import NOW_MS, Desktop
from tests.sharing.delivery.partners import ISSUER, Partner

TOKEN_URL = f"{ISSUER}/oauth/token"
EVENT = "https://schemas.amana.example/event/acquirer/v1"
PUSH_URL = "https://acquirer.example/events"
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ACQUIRER, AGENCY = Partner("acquirer"), Partner("agency")
_KEYS = {"acquirer": ACQUIRER.keys, "agency": AGENCY.keys}
_TERMS = {
    "acquirer": Terms(ISSUER, (EVENT,), PUSH_URL, f"{ISSUER}/ssf/poll"),
    "agency": Terms(ISSUER, ("https://schemas.amana.example/event/agency/v1",), None, f"{ISSUER}/ssf/poll"),
}


class Office:
    """`ask` sends one request of a partner with its access token, or of nobody."""

    def __init__(self, engine: sa.Engine, settings: HttpSettings | None = None) -> None:
        self.desktop = Desktop(engine)
        self.now_ms = NOW_MS
        self.ended = False
        self.keys = dict(_KEYS)
        self.alarms: list[tuple[str, int]] = []
        clock: Callable[[], int] = lambda: self.now_ms  # noqa: E731
        counter = Counter(
            engine,
            self.desktop.desk(clock),
            ISSUER,
            self.keys.get,
            lambda partner: msgspec.structs.replace(_TERMS[partner], in_force=not self.ended),
            clock,
            secrets.token_bytes,
            lambda partner, rows: self.alarms.append((partner, rows)),
        )
        endpoints = Endpoints(counter, ISSUER, lambda: b'{"keys":[]}', lambda: b"note", settings or HttpSettings())
        self.app = endpoints.app()
        self._bearers: dict[str, str] = {}

    def assertion(self, partner: Partner = ACQUIRER, **changed: Any) -> str:
        now_s = self.now_ms // 1000
        claims = {
            "iss": partner.name, "sub": partner.name, "aud": TOKEN_URL, "iat": now_s, "exp": now_s + 60,
            "jti": secrets.token_urlsafe(16),
        } | changed  # fmt: skip
        header = {"alg": "Ed25519", "typ": "JWT", "kid": str(partner.key.kid)}
        said = json.dumps({name: value for name, value in claims.items() if value is not None})
        return jws.serialize_compact(header, said, partner.key, algorithms=["Ed25519"])

    def form(self, assertion: str, **changed: str) -> dict[str, str]:
        form = {"grant_type": "client_credentials", "client_assertion_type": KIND, "client_assertion": assertion}
        return form | changed

    def bearer(self, partner: Partner = ACQUIRER) -> str:
        if partner.name not in self._bearers:
            answer = self.ask("POST", "/oauth/token", partner=None, data=self.form(self.assertion(partner)))
            self._bearers[partner.name] = answer.json()["access_token"]
        return self._bearers[partner.name]

    def ask(self, method: str, path: str, partner: Partner | None = ACQUIRER, **more: Any) -> httpx2.Response:
        return asyncio.run(self.asked(method, path, partner, **more))

    async def asked(self, method: str, path: str, partner: Partner | None = ACQUIRER, **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {})
        if partner is not None and "Authorization" not in headers:
            headers = headers | {"Authorization": f"Bearer {await asyncio.to_thread(self.bearer, partner)}"}
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
            return await client.request(method, path, headers=headers, **more)

    def stream(self, partner: Partner = ACQUIRER, **asked: Any) -> dict[str, Any]:
        answer = self.ask("POST", "/ssf/stream", partner, json=asked)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def poll(self, stream_id: str, partner: Partner = ACQUIRER, **asked: Any) -> dict[str, Any]:
        body = {"returnImmediately": True} | asked
        answer = self.ask("POST", f"/ssf/poll/{stream_id}", partner, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
