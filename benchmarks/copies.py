"""Many stores from one: each fact several times, of as many stores that have no entity in common."""

from collections.abc import Iterable, Iterator
from itertools import count

from msgspec.structs import asdict, replace

from events.facts import AnyFact, Entities


def copies(facts: Iterable[AnyFact], times: int) -> Iterator[AnyFact]:
    """In the facts' order, renumbered as records of one partition. `times` is at most 100.

    A copy's pseudonyms have another end, so that they are as long; 120 bits of the name are left.
    """
    offsets = count()
    for fact in facts:
        named = {kind: name for kind, name in asdict(fact.entities).items() if name}
        for copy in range(times):
            yield replace(
                fact,
                source=replace(fact.source, partition=0, offset=next(offsets)),
                event_id=f"{fact.event_id}-{copy}",
                entities=Entities(**{kind: f"{name[:-2]}{copy:02}" for kind, name in named.items()}),
            )
