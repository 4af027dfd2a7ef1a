"""Roles and what each may do: one table, from which the guards of all routes, docs/access.md and its tests derive."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Role = Literal["analyst", "lead", "risk_engineer", "privacy_officer", "auditor", "administrator", "order_service"]
Permission = Literal[
    "queue.read",
    "queue.export",
    "case.read",
    "case.work",
    "case.reveal",
    "case.bulk",
    "case.assign",
    "case.contest",
    "case.erase",
    "case.answer",
    "law.read",
    "law.work",
    "overview.read",
    "audit.read",
    "accounts.manage",
]
ROLES: tuple[Role, ...] = get_args(Role)
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

WORDS: Mapping[Permission, str] = {
    "queue.read": "see the queue, with customers masked",
    "queue.export": "download the queue as a table, with nothing of a customer's",
    "case.read": "see a case, with customers masked",
    "case.work": "claim, decide, snooze, note and tag a case, and undo it",
    "case.reveal": "see one masked value in clear, for a reason that is recorded",
    "case.bulk": "decide many cases at once",
    "case.assign": "give a case to somebody, or take it from them",
    "case.contest": "have a block reviewed by a person, because the customer contests it",
    "case.erase": "erase a customer's data for good, because they asked",
    "law.read": "see requests of the law, and what was told to law enforcement",
    "law.work": "enter, approve, refuse and have answered requests of the law",
    "case.answer": "answer what an analyst asked the order service",
    "overview.read": "see the overview",
    "audit.read": "see who did what",
    "accounts.manage": "make, change and lock accounts",
}

GRANTS: Mapping[Role, frozenset[Permission]] = {
    "analyst": frozenset({"queue.read", "case.read", "case.work", "case.reveal", "overview.read"}),
    "lead": frozenset(
        {
            *("queue.read", "queue.export", "case.read", "case.work", "case.reveal", "case.bulk", "case.assign"),
            "overview.read",
        }
    ),
    "risk_engineer": frozenset({"queue.read", "queue.export", "case.read", "overview.read"}),
    "privacy_officer": frozenset(
        {"queue.read", "case.read", "case.erase", "law.read", "law.work", "overview.read", "audit.read"}
    ),
    "auditor": frozenset({"queue.read", "queue.export", "case.read", "overview.read", "audit.read"}),
    "administrator": frozenset({"overview.read", "audit.read", "accounts.manage"}),
    # A program's: it names an order's case and sees nothing of it.
    "order_service": frozenset({"case.contest", "case.answer"}),
}


def permissions(roles: Iterable[Role]) -> frozenset[Permission]:
    """All that these roles together may do."""
    return frozenset[Permission]().union(*(GRANTS[role] for role in roles))
