"""A chunk of facts as the script reads it, shard by shard, and the script's rows as a matrix. No I/O."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from events.facts import ActivityFact, AnyFact, Entities, LabelFact, OrderFact, RefusedOrder
from features.definitions import WINDOWS, Age, Column, Definitions, Windowed
from features.script import CLASSES, REFUSED, UNCOUNTED
from features.sources import source_of

Floats = NDArray[np.float64]
Indexes = NDArray[np.intp]


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive facts of one facts partition; None where a record holds none (erased).

    `previous` is the offset of the fact before the first (-1 at the start); `committed` the next offset that the
    consumer group will read (Kafka's meaning): rows below it are neither made nor kept. `servers`, from `Store.look`,
    are the only ones that may apply it; empty, any may.
    """

    partition: int
    previous: int
    committed: int
    offsets: Sequence[int]
    facts: Sequence[AnyFact | None]
    servers: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """What a shard answers: a row for each fact that asked, None where it has no say any more; facts counted once."""

    rows: Sequence[bytes | None]
    applied: int
    repeats: int


class Batch:
    """What one shard gets of a chunk."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.kinds: list[int] = []
        self.numbers: list[int] = []
        self.asking: list[int] = []  # the place in the chunk of each fact that asks for a row
        self.touches: list[int] = []  # how many entities each of those touches here
        self.touched: list[int] = []  # and which: numbers of keys, from 1


class _Keys(dict[str, int]):
    """Pseudonyms of one kind, as met in a chunk: the key's number in its shard and the shard, in one integer."""

    def __init__(self, kind: str, number: int, batches: Sequence[Batch]) -> None:
        self._number, self._batches = number, batches
        self._prefixes = [key(shard, kind, "") for shard in range(len(batches))]

    def __missing__(self, pseudonym: str) -> int:
        shards = len(self._batches)
        shard = shard_of(pseudonym, shards)
        batch = self._batches[shard]
        batch.keys.append(self._prefixes[shard] + pseudonym)
        batch.kinds.append(self._number)
        code = self[pseudonym] = len(batch.keys) * shards + shard
        return code


def shard_of(pseudonym: str, shards: int) -> int:
    """The shard that an entity lives in: of all its kinds and for ever."""
    return crc32(pseudonym.encode()) % shards if shards > 1 else 0


def tag(shard: int) -> str:
    """What the keys of a shard begin with; Redis Cluster keeps keys of one tag together."""
    return f"{{s{shard:02d}}}"


def key(shard: int, kind: str, pseudonym: str) -> str:
    """Where an entity's tiles are."""
    return f"{tag(shard)}{kind}:{pseudonym}"


class _Reader(msgspec.Struct, frozen=True):
    """How facts of one class are applied: which kinds of entities they touch, and whether an amount is summed."""

    number: int
    kinds: tuple[int, ...]
    entities: Callable[[Entities], tuple[str | None, ...]]
    sums: bool


class Encoder:
    """Turns chunks into batches for a number of shards, and the shards' replies into vectors, by the definitions."""

    def __init__(self, definitions: Definitions, shards: int) -> None:
        self._definitions, self._shards = definitions, shards
        self._kinds = tuple(definitions.columns)
        self._readers = {name: _reader(definitions, name, number) for name, number in CLASSES.items()}
        self._take, self._put = _layouts(definitions)
        # In numbers, by the kind's number from 1.
        self._widths = np.array([0] + [len(c) * len(WINDOWS) + 1 for c in definitions.columns.values()], dtype=np.intp)

    def batches(self, chunk: Chunk) -> tuple[list[Batch], list[str]]:
        """A batch for each shard, and the names of the fences of the facts' sources."""
        shards = self._shards
        batches = [Batch() for _ in range(shards)]
        keys = [_Keys(kind, number, batches) for number, kind in enumerate(self._kinds, 1)]
        readers = {name: (reader, [keys[kind] for kind in reader.kinds]) for name, reader in self._readers.items()}
        sources: dict[tuple[str, int], int] = {}
        for place, (offset, fact) in enumerate(zip(chunk.offsets, chunk.facts, strict=True)):
            if fact is None:
                continue
            reader, reader_keys = readers[_class_of(fact)]
            codes = [k[p] for k, p in zip(reader_keys, reader.entities(fact.entities), strict=True) if p is not None]
            source = fact.source
            source_number = sources.setdefault((source.topic_id, source.partition), len(sources) + 1)
            second = fact.occurred_at_ms // 1000
            amount = self._cents(fact) if reader.sums else 0
            home = 1
            for shard in {code % shards: None for code in codes} or (0,):
                batch = batches[shard]
                mine = [code // shards for code in codes if code % shards == shard]
                batch.numbers += (
                    offset, source_number, source.offset, reader.number, second, amount, home, len(mine), *mine
                )  # fmt: skip
                home = 0
                if reader.number <= CLASSES["orders"]:
                    batch.asking.append(place)
                    batch.touches.append(len(mine))
                    batch.touched += mine
        return batches, [f"{chunk.partition}:{topic_id}:{partition}" for topic_id, partition in sources]

    def _cents(self, fact: AnyFact) -> int:
        """What a fact adds to a sum: nothing without an amount, or in a currency that has no rate."""
        if isinstance(fact, OrderFact | LabelFact | ActivityFact) and fact.amount_minor and fact.currency:
            return self._definitions.rates.cents(fact.amount_minor, fact.currency, fact.occurred_at_ms) or 0
        return 0

    def vectors(self, chunk: Chunk, batches: Sequence[Batch], replies: Sequence[Reply]) -> tuple[list[int], Floats]:
        """The places in the chunk of the facts that every shard they touch has a row for, and their vectors.

        The matrix is (facts, features); NaN where an entity or a value is absent, and all through for a refused order.
        """
        width = len(self._definitions.names)
        rows = np.full((len(chunk.facts), width + 1), np.nan)  # the last column takes what nothing asks for
        answers = np.zeros(len(chunk.facts), dtype=np.intp)  # shards that answered, less those that were asked
        asked = np.zeros(len(chunk.facts), dtype=bool)
        for batch, reply in zip(batches, replies, strict=True):
            places = np.array(batch.asking, dtype=np.intp)
            present = np.array([row is not None for row in reply.rows], dtype=bool)
            asked[places] = True
            answers[places[~present]] -= 1
            self._scatter(rows, batch, places, present, b"".join(row for row in reply.rows if row))
        decided = np.flatnonzero(asked & (answers == 0))
        return decided.tolist(), self._with_direct(chunk, decided, rows[decided, :width])

    def _scatter(self, rows: Floats, batch: Batch, places: Indexes, present: NDArray[np.bool_], answer: bytes) -> None:
        touches = np.array(batch.touches, dtype=np.intp)
        there = np.repeat(present, touches)
        place = np.repeat(places, touches)[there]
        kinds = np.array([0, *batch.kinds], dtype=np.intp)[np.array(batch.touched, dtype=np.intp)[there]]
        starts = np.cumsum(self._widths[kinds]) - self._widths[kinds]
        values = np.frombuffer(answer, dtype="<f8")
        if len(values):
            rows[place[:, None], self._put[kinds]] = values[starts[:, None] + self._take[kinds]]

    def _with_direct(self, chunk: Chunk, decided: Indexes, matrix: Floats) -> Floats:
        facts = [chunk.facts[place] for place in decided]
        orders = {
            row: self._definitions.of_order(fact) for row, fact in enumerate(facts) if isinstance(fact, OrderFact)
        }
        places = [place for place, _ in self._definitions.functions]
        if orders and places:
            matrix[np.ix_(list(orders), places)] = list(orders.values())
        return matrix


def _class_of(fact: AnyFact) -> str:
    return source_of(fact) or (REFUSED if isinstance(fact, RefusedOrder) else UNCOUNTED)


def _reader(definitions: Definitions, name: str, number: int) -> _Reader:
    """An order reads every kind that has a feature; other facts touch only the kinds that count them."""
    columns = definitions.columns
    kinds = [
        place
        for place, kind in enumerate(columns)
        if name == "orders" or any(column.source == name for column in columns[kind])
    ]
    names = [list(columns)[place] for place in kinds]
    sums = any(column == Column(name, "sum") for kind in columns.values() for column in kind)
    return _Reader(number, tuple(kinds), _getter(names), sums)


def _getter(names: Sequence[str]) -> Callable[[Entities], tuple[str | None, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda entities: tuple(getattr(entities, name) for name in names)


def _layouts(definitions: Definitions) -> tuple[Indexes, Indexes]:
    """For each kind's number, from 1: which numbers of an entity's row to take, and where in the vector to put them.

    Kinds with fewer features put their row's first number behind the vector's end.
    """
    layouts = [([], []), *(_layout(definitions, kind) for kind in definitions.columns)]
    shape = (len(layouts), max(len(put) for _, put in layouts))
    takes, puts = np.zeros(shape, dtype=np.intp), np.full(shape, len(definitions.names), dtype=np.intp)
    for number, (take, put) in enumerate(layouts):
        takes[number, : len(take)], puts[number, : len(put)] = take, put
    return takes, puts


def _layout(definitions: Definitions, kind: str) -> tuple[list[int], list[int]]:
    columns, windows = definitions.columns[kind], list(WINDOWS)
    taken: dict[int, int] = {}
    for place, feature in enumerate(definitions.features):
        if isinstance(feature, Windowed) and feature.kind == kind:
            column = columns.index(Column(feature.source, feature.aggregate))
            taken[place] = windows.index(feature.window) * len(columns) + column
        elif isinstance(feature, Age) and feature.kind == kind:
            taken[place] = len(windows) * len(columns)
    return list(taken.values()), list(taken)
