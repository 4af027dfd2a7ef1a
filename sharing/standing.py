"""Which of the contracts that a process goes by may tell anything new, at a time.

A contract that has ended, or has not begun, keeps no other from being acted on: nothing new is told under it, and what
takes back what it told (withdrawals, deletions) leaves all the same. It is named when a process starts, and again
when it ends while one runs.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from sharing.contracts import Contract


class Agreed:
    """A process's contracts; every answer is for the day (UTC) of a time that is given."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self.contracts = tuple(contracts)
        self._hashes = {bytes.fromhex(each.hash()): each for each in self.contracts}

    @property
    def partners(self) -> list[str]:
        return sorted({contract.partner for contract in self.contracts})

    def silent(self, now_ms: int) -> frozenset[bytes]:
        """The hashes of those under which nothing new may be told."""
        today = day_of(now_ms)
        return frozenset(hashed for hashed, contract in self._hashes.items() if not contract.in_force(today))

    def problems(self, now_ms: int) -> list[tuple[Contract, str]]:
        """Those that are not in force, each with why."""
        today = day_of(now_ms)
        return [(each, why(each, today)) for each in self.contracts if not each.in_force(today)]

    def tells(self, partner: str, now_ms: int) -> bool:
        """Whether any contract with the partner is in force."""
        today = day_of(now_ms)
        return any(each.partner == partner and each.in_force(today) for each in self.contracts)


def day_of(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def why(contract: Contract, today: date) -> str:
    """Why a contract is not in force that day."""
    return f"begins on {contract.valid_from}" if today < contract.valid_from else f"ended on {contract.valid_until}"
