"""How long TLS may take before a request and after the answer, with real sockets."""

import os
import socket
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sharing.delivery.sockets import GuardedConfig, Room
from tests.harness.site import Site
from tests.sharing.delivery.tls import Authority

HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
AT_MOST_S = 10  # asyncio's own limits are 60 s and 30 s


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["asyncio", "uvloop"])
def site(request: pytest.FixtureRequest, authority: Authority) -> Site:
    """Which gives TLS 0.5 s, on either loop that uvicorn may take."""
    certificate, key = authority.issue("127.0.0.1")
    app = Starlette(routes=[Route("/", lambda _: Response("here"))])
    return Site(app, GuardedConfig, room=Room(tls_s=0.5), loop=request.param, ssl_certfile=certificate, ssl_keyfile=key)


def _caller(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=AT_MOST_S)


def _closed(caller: socket.socket) -> bool:
    """Whether the other side ends the connection while we say nothing. Raises TimeoutError where it does not."""
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sends", [b"", HALF_A_HELLO], ids=["nothing", "half a hello"])
def test_a_handshake_that_is_not_finished_in_time_ends_its_connection(site: Site, sends: bytes) -> None:
    with site, _caller(site) as caller:
        began_s = time.monotonic()
        caller.sendall(sends)
        assert _closed(caller)
        assert time.monotonic() - began_s > 0.4


def test_who_does_not_answer_our_goodbye_holds_no_socket(site: Site, authority: Authority) -> None:
    with site, authority.trusting().wrap_socket(_caller(site), server_hostname="127.0.0.1") as caller:
        caller.sendall(LAST)
        while caller.recv(65_536):
            pass
        with socket.socket(fileno=os.dup(caller.fileno())) as below:
            below.settimeout(AT_MOST_S)
            assert _closed(below)
