"""A small store to poll: what a partner's poll client talks to in a try, by RFC 8936 and RFC 7523."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jws
from joserfc.errors import JoseError

from sharing.tokens import PartnerKeys
from streams.sandbox_ways import TIMEOUT_S, Answers, Message


class Store:
    """A store's two endpoints, for one partner: /token (RFC 7523, client credentials) and /poll (RFC 8936)."""

    def __init__(self, messages: Sequence[Message], keys: PartnerKeys, now_s: Callable[[], int]) -> None:
        self.answers = Answers(messages)
        self.url = ""
        self._keys = keys
        self._now_s = now_s
        self._assertions: set[str] = set()
        self._access: set[str] = set()
        self._lock = threading.Lock()

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """An access token for an assertion that the partner signed for this address, once, for ten minutes at most."""
        given = {name: values[0] for name, values in form.items()}
        if given.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        said = self._said(given.get("client_assertion", ""))
        wanted = {"iss": self._keys.partner, "sub": self._keys.partner, "aud": f"{self.url}/token"}
        fresh = isinstance(said.get("exp"), int) and self._now_s() < said["exp"] <= self._now_s() + 600
        if (
            not fresh
            or {name: said.get(name) for name in wanted} != wanted
            or said.get("jti") in {None, *self._assertions}
        ):
            return 401, {"error": "invalid_client"}
        self._assertions.add(said["jti"])
        access = secrets.token_urlsafe(32)
        self._access.add(access)
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 600}

    def poll(self, authorization: str, ask: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What waits, after what was acknowledged has gone."""
        if authorization.removeprefix("Bearer ") not in self._access:
            return 401, {}
        acks, errs, most = ask.get("ack", []), ask.get("setErrs", {}), ask.get("maxEvents", 100)
        if not isinstance(acks, list) or not isinstance(errs, dict) or not isinstance(most, int):
            return 400, {"err": "invalid_request", "description": "not as RFC 8936 has a poll"}
        with self._lock:
            self.answers.take([str(jti) for jti in acks], errs)
            sets = dict(list(self.answers.waiting.items())[: max(0, min(most, 100))])
        more = len(sets) < len(self.answers.waiting)
        return 200, {"sets": {jti: sealed.decode() for jti, sealed in sets.items()}, "moreAvailable": more}

    def _said(self, assertion: str) -> dict[str, Any]:
        for key in self._keys.signers.values():
            try:
                said = json.loads(jws.deserialize_compact(assertion, key, algorithms=["Ed25519"]).payload)
                return said if isinstance(said, dict) else {}
            except (JoseError, ValueError):
                continue
        return {}


def served(store: Store, host: str, port: int) -> ThreadingHTTPServer:
    """The store's endpoints on that address; the caller runs `serve_forever` and closes it. Raises OSError."""

    class Endpoints(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers["Content-Length"] or 0), 1_000_000))
            try:
                status, answer = self._answer(body)
            except (ValueError, AttributeError):
                status, answer = 400, {"err": "invalid_request", "description": "not JSON"}
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
            if self.path == "/token":
                return store.token(parse_qs(body.decode()))
            if self.path == "/poll":
                return store.poll(self.headers["Authorization"] or "", json.loads(body))
            return 404, {}

        def log_message(self, *_: object) -> None:
            """Nothing: what arrives is told by the sandbox."""

    server = ThreadingHTTPServer((host, port), Endpoints)
    store.url = f"http://{host}:{server.server_address[1]}"
    return server


def answered(
    messages: Sequence[Message],
    keys: PartnerKeys,
    address: tuple[str, int],
    wait_s: float | None,
    now_s: Callable[[], int],
) -> Answers:
    """Answer polls until each message is acknowledged or refused, or that time is over (None: for ever). OSError."""
    store = Store(messages, keys, now_s)
    with served(store, *address) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            ends_s = None if wait_s is None else now_s() + wait_s
            while store.answers.waiting and (ends_s is None or now_s() < ends_s):
                time.sleep(0.1)
            time.sleep(0.5)  # the last answer is on its way
        finally:
            server.shutdown()
            thread.join()
    return store.answers
