import secrets
import socket
import time
from collections.abc import Callable

_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A loopback port that nothing listens on, below the range from which Linux takes ports for outgoing connections.

    A client that reconnects to a stopped server may be given the server's own port otherwise, connect to itself, and
    keep the server from coming back.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll `condition` until it holds.

    Raises:
        TimeoutError: it did not hold within `timeout_s`; the message names `what` was awaited.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.02)
