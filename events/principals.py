"""Who may do what on Kafka: the table from which access lists and docs/security.md are made. The rest is refused.

A principal is a process, or a person's task, never a machine. Partners get one each; so do those who only read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from events import topics
from events.topics import share_ack_topic, share_topic

Operation = Literal["READ", "WRITE", "DESCRIBE", "DELETE"]
Kind = Literal["topic", "group"]

ADMIN = "admin"  # proves itself by a certificate on a listener of its own: may do everything, and needs no table
KAFKA_PASSWORD = "kafka.password"  # noqa: S105 - the file of a principal's password, in a folder of its name
RAW = tuple(topics.UNIONS)


class Grant(msgspec.Struct, frozen=True, order=True):
    """What is allowed on one topic or group. `prefixed`: on all whose names begin so."""

    kind: Kind
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


class Principal(msgspec.Struct, frozen=True):
    """`what` for people: which process or task it is."""

    name: str
    what: str
    grants: tuple[Grant, ...]


def principals(partners: Sequence[str]) -> tuple[Principal, ...]:
    """All of them, with those of these partners. Raises ValueError for a partner's name that is none."""
    return (*_store(), *_stages(), *_tasks(), _deliverer(partners), *(_partner(partner) for partner in partners))


def kafka_passwords(folder: Path) -> dict[str, str]:
    """By principal, those that a folder has."""
    return {path.parent.name: path.read_text().strip() for path in sorted(folder.glob(f"*/{KAFKA_PASSWORD}"))}


def partner_principal(partner: str) -> str:
    """The name that a partner logs in by."""
    share_topic(partner)
    return f"partner.{partner}"


def _store() -> tuple[Principal, ...]:
    return (
        Principal("publisher", "the order service: publishes events", (*_write(*RAW),)),
        Principal(
            "store",
            "the order service: reads decisions and analysts' questions",
            (*_read(topics.DECISIONS, topics.QUESTIONS), _group("store.", prefixed=True)),
        ),
    )


def _stages() -> tuple[Principal, ...]:
    # Deleting records is, to Kafka, an operation on the topic that also lets it be deleted: the purge of a card number.
    taken_in = (topics.ORDERS, topics.VISITS, topics.ACTIVITY)
    return (
        Principal(
            "intake",
            "`amana intake`",
            (
                *_read(*taken_in, topics.QUARANTINE),
                *_purge(*taken_in),
                *_write(topics.FACTS, topics.QUARANTINE),
                _group("amana.intake"),
            ),
        ),
        Principal(
            "screen",
            "`amana screen`",
            (
                *_read(topics.FACTS, topics.RULES, topics.MODELS),
                *_write(topics.DECISIONS, topics.LATE, topics.MODELS),
                _group("amana.screen"),
            ),
        ),
        Principal(
            "fallback",
            "`amana fallback`",
            (*_read(topics.FACTS, topics.DECISIONS), *_write(topics.DECISIONS), _seen("amana.screen")),
        ),
        Principal(
            "history",
            "`amana history serve`",
            (
                *_read(topics.DECISIONS, topics.FACTS, topics.LABELS, topics.QUARANTINE),
                *_purge(topics.LABELS),
                *_write(topics.FACTS, topics.QUARANTINE),
                _group("amana.history"),
            ),
        ),
        Principal(
            "opener",
            "`amana opener`",
            (*_read(topics.DECISIONS, topics.ORDERS, topics.ACTIVITY), _group("amana.opener")),
        ),
        # It tells partners nothing itself; what they report becomes labels.
        Principal("projector", "`amana projector`", _write(topics.LABELS)),
    )


def _tasks() -> tuple[Principal, ...]:
    return (
        Principal(
            "console",
            "analysts: publishes their verdicts as labels and decisions, and what they ask",
            _write(topics.LABELS, topics.DECISIONS, topics.QUESTIONS),
        ),
        Principal("rules-promoter", "`amana rules promote` and `log`", (*_read(topics.RULES), *_write(topics.RULES))),
        Principal(
            "models-promoter",
            "`amana models promote`, `rollback` and `log`",
            (*_read(topics.MODELS), *_write(topics.MODELS)),
        ),
        Principal(
            "analysis",
            "`amana whatif`, `models watch`, `features backfill`, `audit`, `show` and `migrate`",
            (*_read(topics.FACTS, topics.DECISIONS, topics.RULES), _seen("amana.screen")),
        ),
    )


def _deliverer(partners: Sequence[str]) -> Principal:
    return Principal(
        "deliverer",
        "`amana deliverer`: alone writes `share.*`",
        (
            *_write(*map(share_topic, partners)),
            *_read(*map(share_ack_topic, partners)),
            _group("amana.deliverer"),
        ),
    )


def _partner(partner: str) -> Principal:
    name = partner_principal(partner)
    return Principal(
        name,
        f"the partner {partner}",
        (*_read(share_topic(partner)), *_write(share_ack_topic(partner)), _group(name)),
    )


def _read(*names: str) -> tuple[Grant, ...]:
    return tuple(Grant("topic", name, ("READ", "DESCRIBE")) for name in names)


def _write(*names: str) -> tuple[Grant, ...]:
    return tuple(Grant("topic", name, ("WRITE", "DESCRIBE")) for name in names)


def _purge(*names: str) -> tuple[Grant, ...]:
    return tuple(Grant("topic", name, ("DELETE",)) for name in names)


def _group(name: str, *, prefixed: bool = False) -> Grant:
    """To be a member, and to commit."""
    return Grant("group", name, ("READ", "DESCRIBE"), prefixed)


def _seen(name: str) -> Grant:
    """To see how far a group has come."""
    return Grant("group", name, ("DESCRIBE",))
