"""Watches every way out for canaries: bytes go in by the name of the way, what was found comes out.

Pieces of a canary count: any eight letters of its mark are one of eight rotations. Bytes are read as they are, in lower
case, backwards, and with hexadecimal, base64 and the escapes of JSON and links undone (tests/streams/canaries.py).
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable

from tests.sharing.salted import ARABIC, ECHOED, MARK, rotations
from tests.streams.canaries import forms

BLOCK = 1 << 20
_SOUGHT = [piece.encode() for mark in (MARK, ECHOED, ARABIC) for piece in rotations(mark)]
_FOUND = re.compile(b"|".join(map(re.escape, _SOUGHT)))


def canaries_in(data: bytes) -> list[str]:
    """The pieces of canaries that the bytes hold, in whatever way they are written there."""
    return sorted({match.decode(errors="replace") for form in forms(data) for match in _FOUND.findall(form)})


class Watch(logging.Handler):
    """As a log handler, it reads what is logged, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.leaks: dict[str, list[str]] = {}
        self.bytes_seen: Counter[str] = Counter()
        self._waiting: dict[str, bytearray] = {}
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def saw(self, way: str, data: bytes | str) -> None:
        """Bytes that left by that way. They are searched a block at a time."""
        data = data.encode(errors="surrogatepass") if isinstance(data, str) else data
        waiting = self._waiting.setdefault(way, bytearray())
        waiting += data + b"\0\n"
        self.bytes_seen[way] += len(data)
        if len(waiting) >= BLOCK:
            self._search(way)

    def emit(self, record: logging.LogRecord) -> None:
        self.saw("log", self.format(record))

    def found(self) -> dict[str, list[str]]:
        """Pieces of canaries by way, once all that was seen is searched."""
        for way in list(self._waiting):
            self._search(way)
        return self.leaks

    def _search(self, way: str) -> None:
        if pieces := canaries_in(bytes(self._waiting.pop(way))):
            self.leaks[way] = sorted({*self.leaks.get(way, ()), *pieces})


def without(data: bytes, allowed: Iterable[str]) -> bytes:
    """JSON less the values that may stand there: ids that go back to who issued them, what a request names."""
    for value in allowed:
        data = data.replace(json.dumps(value, ensure_ascii=False).encode(), b'""')
    return data
