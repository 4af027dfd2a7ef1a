"""Who may hold a connection, with real sockets."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sharing.delivery.sockets import GuardedConfig, Room, address_of
from tests.harness.site import Site

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-"
BODILESS = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"


def _site(room: Room) -> tuple[Site, threading.Event]:
    answering = threading.Event()

    async def quick(request: Request) -> Response:
        await request.body()
        return Response("here")

    async def slow(_: Request) -> Response:
        answering.set()
        await asyncio.sleep(1.0)
        return Response("at last")

    app = Starlette(routes=[Route("/", quick, methods=["GET", "POST"]), Route("/slow", slow)])
    return Site(app, GuardedConfig, room=room, limit_concurrency=room.connections + 10), answering


def _caller(site: Site, sends: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    port = int(site.url.rpartition(":")[2])
    caller = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    caller.sendall(sends)
    return caller


def _hears(caller: socket.socket) -> bytes:
    """The first bytes of what comes; none when it was dropped."""
    try:
        return caller.recv(65_536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sends", [b"", HALF, BODILESS, WHOLE + HALF])
def test_a_request_that_is_not_there_in_time_ends_its_connection(sends: bytes) -> None:
    site, _ = _site(Room(request_s=0.3))
    with site, _caller(site, sends) as caller:
        began_s = time.monotonic()
        heard = b""
        while more := _hears(caller):
            heard += more
        assert time.monotonic() - began_s < 3
        assert heard.count(b"200 OK") == sends.count(WHOLE)


def test_who_sends_a_byte_now_and_then_has_no_more_time_than_others() -> None:
    site, _ = _site(Room(request_s=0.5))
    with site, _caller(site, HALF) as caller:
        assert 3 <= _dripped(caller) <= 20


def _dripped(caller: socket.socket) -> int:
    """How many bytes, a tenth of a second apart, were taken."""
    for count in range(50):
        try:
            caller.sendall(b"y")
        except OSError:
            return count
        time.sleep(0.1)
    return 50


def test_an_answer_may_take_longer_than_a_request() -> None:
    site, _ = _site(Room(request_s=0.3))
    with site, _caller(site, SLOW) as caller:
        assert _hears(caller).startswith(b"HTTP/1.1 200 OK")


def test_a_connection_that_is_kept_is_asked_twice() -> None:
    site, _ = _site(Room())
    with site, _caller(site, WHOLE) as caller:
        first = _hears(caller)
        caller.sendall(WHOLE)
        assert first.startswith(b"HTTP/1.1 200 OK")
        assert _hears(caller).startswith(b"HTTP/1.1 200 OK")


def test_the_oldest_silent_one_of_an_address_makes_room_for_its_next() -> None:
    site, _ = _site(Room(per_address=2))
    with site, ExitStack() as held:
        elsewhere = held.enter_context(_caller(site, source="127.0.0.2"))
        first, second, third = (held.enter_context(_caller(site)) for _ in range(3))
        assert _hears(first) == b""
        for caller in (elsewhere, second, third):
            caller.sendall(WHOLE)
            assert _hears(caller).startswith(b"HTTP/1.1 200 OK")


def test_where_there_is_no_room_the_oldest_silent_one_of_all_makes_it() -> None:
    site, _ = _site(Room(connections=2))
    with site, ExitStack() as held:
        first, second, third = (held.enter_context(_caller(site, source=f"127.0.0.{at}")) for at in (2, 3, 4))
        assert _hears(first) == b""
        for caller in (second, third):
            caller.sendall(WHOLE)
            assert _hears(caller).startswith(b"HTTP/1.1 200 OK")


def test_who_is_being_answered_is_not_dropped_for_another() -> None:
    site, answering = _site(Room(per_address=1))
    with site, _caller(site, SLOW) as waiting:
        assert answering.wait(10)
        with _caller(site) as other:
            assert _hears(other) == b""
        assert _hears(waiting).startswith(b"HTTP/1.1 200 OK")


def test_room_is_there_again_when_somebody_has_gone() -> None:
    site, _ = _site(Room(per_address=1))
    with site:
        for _ in range(3):
            with _caller(site, WHOLE) as caller:
                assert _hears(caller).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_of_ipv6_a_network_is_one_address(host: str, address: str) -> None:
    assert address_of((host, 1)) == address
