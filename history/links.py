"""What people ask of the index about one decision: what was said of it, and which others touch the same entities."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa

from events.facts import Entities, Pseudonym
from history.database import reading
from history.tables import decisions, labels, links
from models.decisions import Decision, ModelScore

Kind = Literal["customer", "card", "device", "ip", "address", "session"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FRAUD = frozenset({"chargeback", "confirmed"})
BY_PEOPLE = ("confirmed", "dismissed")  # labels that a verdict makes
MOST_COUNTED = 500  # an internet address of many homes has orders without end
MOST_SHARED = 100

# Of those orders, the outcome that each had before a person's verdict, where nobody may know of the verdict yet.
Unsaid = Callable[[sa.Connection, Sequence[str]], Mapping[str, str]]

_NEWEST = (links.c.occurred_at_ms.desc(), links.c.decision_id.desc())
_entities = msgspec.json.Decoder(Entities).decode
_shadow = msgspec.json.Decoder(tuple[str, ...]).decode
_scores = msgspec.json.Decoder(tuple[ModelScore, ...]).decode


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was concluded of an order and by what; `points` is None of decisions from before they were kept."""

    decided_at_ms: int
    revision: int
    outcome: str
    mode: str
    score: float | None
    model: str | None
    definitions: str | None
    rules: str | None
    points: float | None
    shadow: tuple[str, ...]
    scores: tuple[ModelScore, ...]
    entities: Entities


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Of one entity, its orders by the outcome of each; `more`: only the newest MOST_COUNTED decisions are counted."""

    kind: Kind
    orders: int
    outcomes: Mapping[str, int]
    frauds: int
    first_ms: int
    last_ms: int
    more: bool = False


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """Another order that touches some of the same entities, the kinds in KINDS' order; `label` is its newest."""

    decision_id: str
    order_id: str
    occurred_at_ms: int
    outcome: str
    amount_minor: int | None
    currency: str | None
    kinds: tuple[Kind, ...]
    label: str | None


def linked(decision: Decision) -> Iterator[dict[str, Any]]:
    """A row for each entity that a decision touches."""
    for kind in KINDS:
        entity = getattr(decision.entities, kind)
        if entity is not None:
            yield {
                "entity": entity,
                "kind": kind,
                "occurred_at_ms": decision.occurred_at_ms,
                "decision_id": decision.decision_id,
            }


def all_said(_connection: sa.Connection, _order_ids: Sequence[str]) -> Mapping[str, str]:
    """Where no verdict is hidden."""
    return {}


class Links:
    """One database; safe to share between threads and processes. Only ever reads.

    What entities' pasts and shared orders show is without the verdicts that `unsaid` says are hidden.
    """

    def __init__(self, engine: sa.Engine, unsaid: Unsaid = all_said) -> None:
        self._engine = engine
        self._unsaid = unsaid

    def said(self, decision_id: str) -> Said | None:
        columns = [decisions.c[name] for name in Said.__struct_fields__]
        with reading(self._engine) as connection:
            query = sa.select(*columns).where(decisions.c.decision_id == decision_id)
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        opened = {
            "entities": _entities(row["entities"]),
            "shadow": _shadow(row["shadow"] or "[]"),
            "scores": _scores(row["scores"] or "[]"),
        }
        return Said(**{**row, **opened})

    def past(self, kind: Kind, entity: Pseudonym) -> Past | None:
        """None where the index knows no order of the entity."""
        first = sa.select(sa.func.min(links.c.occurred_at_ms)).where(*_of(kind, entity))
        with reading(self._engine) as connection:
            rows = connection.execute(_orders(kind, entity, MOST_COUNTED + 1)).all()
            counted = rows[:MOST_COUNTED]
            outcomes = {row.order_id: row.outcome for row in reversed(counted)}
            unsaid = self._unsaid(connection, list(outcomes))
            outcomes |= unsaid
            newest = _labels(connection, list(outcomes), unsaid)
            first_ms = connection.scalar(first)
        if not rows or first_ms is None:
            return None
        kinds = list(outcomes.values())
        return Past(
            kind=kind,
            orders=len(outcomes),
            outcomes={name: kinds.count(name) for name in ("approve", "review", "block") if name in kinds},
            frauds=sum(label in FRAUD for label in newest.values()),
            first_ms=first_ms,
            last_ms=rows[0].occurred_at_ms,
            more=len(rows) > MOST_COUNTED,
        )

    def shared(self, entities: Entities, order_id: str, most: int) -> tuple[Shared, ...]:
        """Other orders that touch these entities: those that touch most of them first, then the newest.

        Of each entity the newest MOST_SHARED are looked at.
        """
        rows: dict[str, sa.Row[Any]] = {}
        kinds: dict[str, list[Kind]] = {}
        with reading(self._engine) as connection:
            for kind in KINDS:
                entity = getattr(entities, kind)
                found = connection.execute(_orders(kind, entity, MOST_SHARED)).all() if entity else ()
                for each in dict.fromkeys(row.order_id for row in found if row.order_id != order_id):
                    kinds.setdefault(each, []).append(kind)
                rows |= {row.order_id: row for row in reversed(found)}
            ranked = sorted(kinds, key=lambda each: (-len(kinds[each]), -rows[each].occurred_at_ms, each))[:most]
            unsaid = self._unsaid(connection, ranked)
            newest = _labels(connection, ranked, unsaid)
        return tuple(
            Shared(
                **{**rows[each]._mapping, "outcome": unsaid.get(each, rows[each].outcome)},
                kinds=tuple(kinds[each]),
                label=newest.get(each),
            )
            for each in ranked
        )


def _of(kind: Kind, entity: Pseudonym) -> tuple[sa.ColumnElement[bool], ...]:
    return links.c.kind == kind, links.c.entity == entity


def _orders(kind: Kind, entity: Pseudonym, most: int) -> sa.Select[Any]:
    """The newest decisions on the entity, the newest first."""
    newest = sa.select(links.c.decision_id).where(*_of(kind, entity)).order_by(*_NEWEST).limit(most).subquery()
    columns = ("decision_id", "order_id", "occurred_at_ms", "outcome", "amount_minor", "currency")
    return (
        sa.select(*(decisions.c[name] for name in columns))
        .join(newest, newest.c.decision_id == decisions.c.decision_id)
        .order_by(decisions.c.occurred_at_ms.desc(), decisions.c.decision_id.desc())
    )


def _labels(connection: sa.Connection, order_ids: Sequence[str], unsaid: Mapping[str, str]) -> dict[str, str]:
    """The newest label of each order that has one; a hidden verdict's is none."""
    hidden = sa.and_(labels.c.order_id.in_(sorted(unsaid)), labels.c.label.in_(BY_PEOPLE))
    query = (
        sa.select(labels.c.order_id, labels.c.label)
        .where(labels.c.order_id.in_(order_ids), ~hidden)
        .order_by(labels.c.occurred_at_ms, labels.c.recorded_at_ms, labels.c.label_id)
    )
    return {row.order_id: row.label for row in connection.execute(query)}
