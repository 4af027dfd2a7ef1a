"""Events from files of JSON lines, merged by time: what the embedded runner reads."""

import codecs
import heapq
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from events import topics
from events.facts import Coordinates
from events.guard import AHEAD_MS
from events.types import Moment
from streams.intake import RawRecord

UNKNOWN = "unknown"  # the topic of a line whose type cannot be read; the guard refuses it
FACTS_ID = "file.facts"  # stands for the id of the topic that the facts file is


class Head(msgspec.Struct, frozen=True):
    """What is needed to place a line: its type and time."""

    type: str
    occurred_at: Moment


TYPE = re.compile(rb'"type"\s*:\s*"(\w+)"')
decode_head = msgspec.json.Decoder(Head).decode


class Line(msgspec.Struct, frozen=True):
    occurred_at_ms: int
    topic: str
    body: bytes


def read_lines(path: Path, on_bytes: Callable[[int], None], now_ms: int) -> Iterator[Line]:
    """Lines in file order; a line whose head cannot be read takes the time of the line before it.

    So does one of a time so far ahead that the guard will refuse it: a merge would hold back all that follow it.
    """
    before_ms = 0
    with path.open("rb") as lines:
        for body in lines:
            on_bytes(len(body))
            if stripped := body.removeprefix(codecs.BOM_UTF8).strip():
                line = place(stripped, before_ms)
                if line.occurred_at_ms > now_ms + AHEAD_MS:
                    line = msgspec.structs.replace(line, occurred_at_ms=before_ms)
                before_ms = line.occurred_at_ms
                yield line


def place(body: bytes, before_ms: int) -> Line:
    try:
        head = decode_head(body)
        return Line(round(head.occurred_at.timestamp() * 1000), topics.topic_of(head.type), body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, OverflowError):
        return Line(before_ms, topic_in(body), body)


def topic_in(body: bytes) -> str:
    """The topic of a body that is no JSON or has no time, so that the guard refuses it as what it was meant to be."""
    named = TYPE.search(body)
    try:
        return topics.topic_of(named[1].decode("ascii")) if named else UNKNOWN
    except KeyError:
        return UNKNOWN


def merged(paths: Sequence[Path], on_bytes: Callable[[int], None], now_ms: int) -> Iterator[Line]:
    """All files' lines by time; lines of one file stay in its order, so a late event in a file is late here too."""
    return heapq.merge(*(read_lines(path, on_bytes, now_ms) for path in paths), key=lambda line: line.occurred_at_ms)


class Numbering:
    """Gives raw lines the coordinates that a one-partition topic would."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def record(self, line: Line, now_ms: int) -> RawRecord:
        """The line as if the broker had stamped it when it happened, but never later than now."""
        offset = self._next.get(line.topic, 0)
        self._next[line.topic] = offset + 1
        source = Coordinates(line.topic, f"file.{line.topic}", 0, offset)
        return RawRecord(source, min(line.occurred_at_ms, now_ms), line.body)
