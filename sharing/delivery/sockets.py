"""Who may hold a connection to a server of ours: uvicorn's protocol, with what uvicorn has no setting for.

uvicorn counts connections, and gives whoever sends nothing all the time in the world: a few hundred silent ones would
shut everybody out. Here a request has to be there in time, and where room is short, who has sent no whole request yet
makes room. A connection whose request is being answered is never dropped for another. TLS begins before the protocol
and ends after it: handshake and goodbye have to be there in time too, or would hold a socket for 60 s and for 30 s.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import h11
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """`request_s`: for all of a request, its body too. `per_address`: connections at once; of IPv6 a /64 is one.

    `tls_s`: for a handshake, and for the other side's goodbye once we have said ours.

    `connections` has to be below uvicorn's `limit_concurrency`, which answers 503 to all when it is reached.
    """

    request_s: float = 15.0
    connections: int = 190
    per_address: int = 100
    tls_s: float = 5.0


class Guarded(H11Protocol):
    """One connection; `guarded` gives the class its room and what its connections share."""

    room: Room
    held: "Counter[str]"
    silent: "dict[Guarded, None]"  # no whole request yet; the oldest first

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._address = ""
        self._ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._address = address_of(self.client)
        self.held[self._address] += 1
        self._listen()
        if self.held[self._address] > self.room.per_address:
            self._make_room(self._address)
        elif self.held.total() > self.room.connections:
            self._make_room(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._heard()
        elif self not in self.silent:
            self._listen()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY} and not self.transport.is_closing():
            self._heard()
            self._listen()

    def drop(self) -> None:
        """At once: a close in order waits for what is still to be sent, and whoever reads nothing would stay."""
        self._heard()
        self._leave()
        self.transport.abort()

    def _make_room(self, address: str | None) -> None:
        for each in self.silent:
            if address is None or each._address == address:
                each.drop()
                return

    def _listen(self) -> None:
        self.silent[self] = None
        self._ends = self.loop.call_later(self.room.request_s, self.drop)

    def _heard(self) -> None:
        self.silent.pop(self, None)
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    def _leave(self) -> None:
        if self._address:
            self.held[self._address] -= 1
            if not self.held[self._address]:
                del self.held[self._address]
            self._address = ""
        self.connections.discard(self)


def guarded(room: Room) -> type[Guarded]:
    """A protocol for one server: uvicorn.Config(http=guarded(room))."""
    return type("GuardedConnection", (Guarded,), {"room": room, "held": Counter(), "silent": {}})


class GuardedConfig(Config):
    """What a server goes by whose connections are guarded; `settings` are uvicorn's."""

    def __init__(self, app: Any, room: Room, **settings: Any) -> None:
        super().__init__(app, http=guarded(room), **settings)
        self._room = room

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        return partial(_prompt, super().get_loop_factory() or asyncio.new_event_loop, self._room.tls_s)


def _prompt(make: Callable[[], asyncio.AbstractEventLoop], tls_s: float) -> asyncio.AbstractEventLoop:
    """A loop whose servers wait for TLS no longer: who serves is asked by uvicorn, which passes no such limit on."""
    loop = make()
    create = loop.create_server

    async def create_server(*given: Any, **settings: Any) -> asyncio.Server:
        if settings.get("ssl") is not None:  # without TLS the loop refuses them
            settings |= {"ssl_handshake_timeout": tls_s, "ssl_shutdown_timeout": tls_s}
        return await create(*given, **settings)

    loop.create_server = create_server  # type: ignore[method-assign]  # uvloop's and asyncio's alike
    return loop


def address_of(client: tuple[str, int] | None) -> str:
    """What counts as one address: of IPv6 its first 64 bits, which one household has all of."""
    if client is None:
        return "unknown"
    host = ipaddress.ip_address(client[0].partition("%")[0])
    if isinstance(host, ipaddress.IPv4Address):
        return str(host)
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    return str(ipaddress.ip_network((host, 64), strict=False))
