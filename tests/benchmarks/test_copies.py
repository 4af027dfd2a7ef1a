from benchmarks.copies import copies
from events.facts import Coordinates, Entities, VisitFact


def visit(offset: int) -> VisitFact:
    return VisitFact(
        source=Coordinates("visits", "t", 3, offset),
        event_id=f"e{offset}",
        occurred_at_ms=offset,
        recorded_at_ms=offset,
        entities=Entities(ip="i" * 22, session="s" * 22),
    )


def test_copies_have_no_entity_no_event_and_no_offset_in_common() -> None:
    made = list(copies([visit(5), visit(9)], 3))
    assert [fact.entities.ip for fact in made] == [f"{'i' * 20}{n:02}" for n in (0, 1, 2, 0, 1, 2)]
    assert {fact.entities.customer for fact in made} == {None}
    assert [fact.source for fact in made] == [Coordinates("visits", "t", 0, n) for n in range(6)]
    assert len({fact.event_id for fact in made}) == 6
    assert [fact.occurred_at_ms for fact in made] == [5, 5, 5, 9, 9, 9]
