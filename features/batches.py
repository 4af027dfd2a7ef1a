"""A chunk of facts as the script reads it, shard by shard, and the script's rows as a matrix. No I/O."""

import math
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from operator import attrgetter
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from events.facts import KINDS, AnyFact, OrderFact
from features.declared import Definitions
from features.formulas import Floats, Indexes
from features.numbers import SUMMED, Direct, Earliest, First, Number, Roll, Since, Windowed
from features.script import NUMBER_OF, ORDERS
from features.sources import ORDER_CLASSES, SOURCES, amount_of, class_of

_NONE = -1.0  # the script's word for a number that there is not
_PAIR = np.dtype([("place", "<u2"), ("number", "<f8")])


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
    """What a shard answers: a row for each fact that asked, None where it has no say any more; facts counted once.

    `late`: offset and seconds late, one after another, of each late fact that is told of here.
    """

    rows: Sequence[bytes | None]
    applied: int
    repeats: int
    late: Sequence[int]


# Of each shard, what else it had applied when an order was read: another partition, its last offset, and so on.
Positions = tuple[tuple[int, ...], ...]


class Batch:
    """What one shard gets of a chunk."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.kinds: list[int] = []
        self.numbers: list[int | str] = []  # text for an event's id
        self.asking: list[int] = []  # the place in the chunk of each fact that asks for a row
        self.touches: list[int] = []  # how many entities each of those touches here
        self.newest = 0  # the chunk's latest second
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


class _Sets(dict[int, int]):
    """The keys of a shard's sets of event ids, one an hour of events: each one's number."""

    def __init__(self, shard: int, batch: Batch) -> None:
        self._prefix, self._batch = f"{tag(shard)}events:", batch

    def __missing__(self, hour: int) -> int:
        self._batch.keys.append(f"{self._prefix}{hour}")
        self._batch.kinds.append(0)
        number = self[hour] = len(self._batch.keys)
        return number


def shard_of(pseudonym: str, shards: int) -> int:
    """The shard that an entity lives in: of all its kinds and for ever."""
    return crc32(pseudonym.encode()) % shards if shards > 1 else 0


def tag(shard: int) -> str:
    """What the keys of a shard begin with; Redis Cluster keeps keys of one tag together."""
    return f"{{s{shard:02d}}}"


def fences_key(shard: int) -> str:
    """Where a shard says how far it is, and what it was written for."""
    return f"{tag(shard)}fences"


def key(shard: int, kind: str, pseudonym: str) -> str:
    """Where an entity's tiles are."""
    return f"{tag(shard)}{kind}:{pseudonym}"


class _Reader(msgspec.Struct, frozen=True):
    """How facts of one class are applied: which kinds of entities they touch, with which members, what is summed."""

    number: int
    kinds: tuple[int, ...]
    entities: Callable[[Any], tuple[str | None, ...]]
    texts: Callable[[Any], tuple[str | None, ...]]  # all that it meets
    number_of: tuple[Callable[[str], int], ...]  # of each of these
    members: tuple[tuple[int, ...], ...]  # of each kind, of each roll: which of these, from 1; 0 for nobody
    sums: bool


class Encoder:
    """Turns chunks into batches for a number of shards, and the shards' replies into vectors, by the definitions."""

    def __init__(self, definitions: Definitions, shards: int) -> None:
        self._definitions, self._shards = definitions, shards
        self._kinds = tuple(definitions.columns)
        self._readers = {name: _reader(definitions, name, number) for name, number in NUMBER_OF.items()}
        # Of each number: the kind of entity that it is of, 0 for none, and what it is of one never seen.
        self._kind_of = np.array([_kind_of(number, self._kinds) for number in definitions.numbers], dtype=np.intp)
        self._never_seen = np.array([_of_never_seen(number) for number in definitions.numbers])
        self._direct = [place for place, _ in definitions.functions]

    def batches(self, chunk: Chunk) -> tuple[list[Batch], list[str]]:
        """A batch for each shard, and the names of the fences of the facts' sources."""
        shards = self._shards
        batches = [Batch() for _ in range(shards)]
        keys = [_Keys(kind, number, batches) for number, kind in enumerate(self._kinds, 1)]
        sets = [_Sets(shard, batch) for shard, batch in enumerate(batches)]
        readers = {name: (reader, [keys[kind] for kind in reader.kinds]) for name, reader in self._readers.items()}
        sources: dict[tuple[str, int], int] = {}
        newest = 0
        for place, (offset, fact) in enumerate(zip(chunk.offsets, chunk.facts, strict=True)):
            if fact is None:
                continue
            reader, reader_keys = readers[class_of(fact)]
            touches: dict[int, tuple[list[int], list[int]]] = {}  # of each shard: keys, and keys with members
            met = [
                0,
                *(
                    number(t) if t is not None else 0
                    for number, t in zip(reader.number_of, reader.texts(fact), strict=True)
                ),
            ]
            named = zip(reader_keys, reader.entities(fact.entities), reader.members, strict=True)
            for keys_of_kind, pseudonym, members in named:
                if pseudonym is not None:
                    code = keys_of_kind[pseudonym]
                    touched, with_members = touches.setdefault(code % shards, ([], []))
                    touched.append(code // shards)
                    with_members.append(code // shards)
                    with_members += [met[member] for member in members]
            source = fact.source
            source_number = sources.setdefault((source.topic_id, source.partition), len(sources) + 1)
            second = fact.occurred_at_ms // 1000
            amount = amount_of(fact, self._definitions.rates) if reader.sums else None
            units = fact.quantity if isinstance(fact, OrderFact) else 0
            newest = max(newest, second) if reader.number else newest  # a refused order has no time of its own
            event = _event(fact) if reader.number else 0
            home = 1
            for shard, (touched, with_members) in touches.items() or ((0, ([], [])),):
                batch = batches[shard]
                batch.numbers += (
                    offset, source_number, source.offset, reader.number, second, -1 if amount is None else amount,
                    units, home, event, sets[shard][second // 3600] if event else 0, newest, len(with_members),
                    *with_members,
                )  # fmt: skip
                home = 0
                if reader.number <= ORDERS:
                    batch.asking.append(place)
                    batch.touches.append(len(touched))
                    batch.touched += touched
        for batch in batches:
            batch.newest = newest
        return batches, [f"{chunk.partition}:{topic_id}:{partition}" for topic_id, partition in sources]

    def vectors(
        self, chunk: Chunk, batches: Sequence[Batch], replies: Sequence[Reply]
    ) -> tuple[list[int], Floats, list[Positions]]:
        """The places in the chunk of the facts that every shard they touch has a row for, their vectors and positions.

        The matrix is (facts, features); NaN where an entity or a value is absent, and all through for a refused order.
        """
        there = np.zeros((len(chunk.facts), 1 + len(self._kinds)), dtype=bool)  # which kinds of entities a fact names
        answers = np.zeros(len(chunk.facts), dtype=np.intp)  # shards that answered, less those that were asked
        asked = np.zeros(len(chunk.facts), dtype=bool)
        for batch in batches:
            places = np.array(batch.asking, dtype=np.intp)
            kinds = np.array([0, *batch.kinds], dtype=np.intp)[np.array(batch.touched, dtype=np.intp)]
            there[np.repeat(places, batch.touches), kinds] = True
            asked[places] = True
            answers[places] -= 1
        rows = np.where(there[:, self._kind_of], self._never_seen, np.nan)
        behind: list[dict[int, dict[int, int]]] = []
        for batch, reply in zip(batches, replies, strict=True):
            answered = [(place, row) for place, row in zip(batch.asking, reply.rows, strict=True) if row is not None]
            behind.append(_fill(rows, answered))
            answers[[place for place, _ in answered]] += 1
        decided = np.flatnonzero(asked & (answers == 0))
        positions = [_positions(behind, place) for place in decided.tolist()] if any(behind) else []
        return decided.tolist(), self._definitions.vectors(self._with_direct(chunk, decided, rows[decided])), positions

    def _with_direct(self, chunk: Chunk, decided: Indexes, matrix: Floats) -> Floats:
        facts = [chunk.facts[place] for place in decided]
        orders = {
            row: self._definitions.of_order(fact) for row, fact in enumerate(facts) if isinstance(fact, OrderFact)
        }
        if orders and self._direct:
            matrix[np.array(list(orders))[:, None], self._direct] = list(orders.values())
        return matrix


def _event(fact: AnyFact) -> str:
    """96 bits that tell events apart, as text: the sender's id, and what happened when, should an id be used twice.

    So many that no two meet: an order that is taken for a repeat has no decision.
    """
    text = f"{fact.event_id} {type(fact).__name__} {fact.occurred_at_ms}"
    return b2a_base64(blake2b(text.encode(), digest_size=12).digest(), newline=False).decode()


def number_of(member: str) -> Callable[[str], int]:
    """What the members of a roll are stored as, and ordered by where they were seen in the same second."""
    return _of_pseudonym if member in KINDS else _of_word


def _of_pseudonym(text: str) -> int:
    """36 random bits, in 48: among 65 members two meet once in 30 million rolls."""
    return int.from_bytes(text[:6].encode())


@lru_cache(1024)
def _of_word(text: str) -> int:
    """48 bits of a hash: routes, browsers and countries begin alike, and are few."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest())


def _reader(definitions: Definitions, name: str, number: int) -> _Reader:
    """An order reads every kind that has a feature; other facts touch only the kinds that count them."""
    counted = [source for source in SOURCES if name in SOURCES[source].classes]
    kinds = [
        place
        for place, kind in enumerate(definitions.columns)
        if name in ORDER_CLASSES or definitions.sources(kind).intersection(counted)
    ]
    names = [list(definitions.columns)[place] for place in kinds]
    sums = any(
        c.source in counted and c.aggregate not in {"count", "units", "last", "earliest"}
        for kind in names
        for c in definitions.columns[kind]
    )
    rolls = [
        [roll.member if _is_named(definitions, name, kind, roll) else None for roll in definitions.rolls[kind]]
        for kind in names
    ]
    fields = tuple(dict.fromkeys(member for of_kind in rolls for member in of_kind if member is not None))
    members = tuple(tuple(0 if member is None else 1 + fields.index(member) for member in of_kind) for of_kind in rolls)
    return _Reader(
        number,
        tuple(kinds),
        _getter(names),
        _getter([f"entities.{field}" if field in KINDS else field for field in fields]),
        tuple(number_of(field) for field in fields),
        members,
        sums,
    )


def _is_named(definitions: Definitions, name: str, kind: str, roll: Roll) -> bool:
    """Whether a fact of this class meets its member, or is an order that is asked if it was met in other facts."""
    first = First(kind, roll.source, roll.member)
    return name in SOURCES[roll.source].classes or (name in ORDER_CLASSES and first in definitions.numbers)


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[str | None, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    getters = [attrgetter(name) for name in names]
    return lambda what: tuple(get(what) for get in getters)


def _kind_of(number: Number, kinds: Sequence[str]) -> int:
    return 0 if isinstance(number, Direct) else 1 + kinds.index(number.kind)


def _of_never_seen(number: Number) -> float:
    """What a number is of an entity that the store does not know: there a row says nothing of it."""
    if isinstance(number, First):
        return 1.0
    absent = isinstance(number, Since | Earliest) or (isinstance(number, Windowed) and number.aggregate not in SUMMED)
    return math.nan if absent else 0.0


def _fill(rows: Floats, answered: Sequence[tuple[int, bytes]]) -> dict[int, dict[int, int]]:
    """Put the script's pairs of (place among the numbers, number) where they belong.

    Pairs behind the numbers' places are other partitions and their offsets: returned, of each row.
    """
    pairs = np.frombuffer(b"".join(row for _, row in answered), dtype=_PAIR)
    lengths = np.array([len(row) // _PAIR.itemsize for _, row in answered], dtype=np.intp)
    values = pairs["number"].copy()
    values[values == _NONE] = np.nan
    of_pairs = np.repeat(np.array([place for place, _ in answered], dtype=np.intp), lengths)
    numbers = rows.shape[1]
    behind = pairs["place"] >= numbers
    if not behind.any():
        rows[of_pairs, pairs["place"]] = values
        return {}
    rows[of_pairs[~behind], pairs["place"][~behind]] = values[~behind]
    told: dict[int, dict[int, int]] = {}
    others = pairs[behind]
    for place, other, offset in zip(of_pairs[behind].tolist(), others["place"], others["number"], strict=True):
        told.setdefault(place, {})[int(other) - numbers] = int(offset)
    return told


def _positions(behind: Sequence[Mapping[int, Mapping[int, int]]], place: int) -> Positions:
    of_shards = tuple(tuple(chain.from_iterable(sorted(of_shard.get(place, {}).items()))) for of_shard in behind)
    return of_shards if any(of_shards) else ()  # whatever company a row is in
