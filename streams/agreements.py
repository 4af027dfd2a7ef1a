"""Contracts that are not in force, named when a process starts and when one ends while it runs; what may follow what.

And the words for what holds: a key's thumbprint (RFC 7638), the first half of a contract's hash, and nobody's name.
"""

from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Gauge

from sharing.contracts import Contract
from sharing.errors import ContractError, KeysError
from sharing.signers import Signers
from sharing.standing import Agreed
from sharing.tokens import PartnerKeys
from streams.metrics import Metrics

log = structlog.get_logger()


class Watched:
    """Look now and then: a warning for each contract that is not in force, once; the gauge follows the clock.

    `agreed` gives the contracts that the process goes by then. Labels are partners; one may have several contracts.
    """

    def __init__(self, agreed: Callable[[], Agreed], now_ms: Callable[[], int], metrics: Metrics | None = None) -> None:
        self._agreed = agreed
        self._now_ms = now_ms
        self._named: dict[str, str] = {}
        self._silent: Gauge | None = None
        if metrics is not None:
            self._silent = Gauge(
                "amana_contracts_not_in_force", "Contracts under which nothing new is told", ["partner"],
                registry=metrics.registry,
            )  # fmt: skip
        self.look()

    def look(self) -> None:
        agreed = self._agreed()
        problems = agreed.problems(self._now_ms())
        named = {contract.hash(): why for contract, why in problems}
        for contract, why in problems:
            if self._named.get(contract.hash()) != why:
                log.warning("contract.not_in_force", partner=contract.partner, version=contract.version, why=why)
        self._named = named
        if self._silent is not None:
            self._silent.clear()
            for partner in agreed.partners:
                self._silent.labels(partner).set(_of(partner, problems))


def check_none_gone(before: Agreed, after: Agreed) -> None:
    """Raises ContractError where a running process would lose a contract: its file may be on its way to `past`."""
    left = {(each.partner, each.purpose) for each in after.contracts}
    for each in before.contracts:
        if (each.partner, each.purpose) not in left:
            raise ContractError(
                f"{each.partner}: no contract for {each.purpose} any more; it ends by valid_until, or at a restart"
            )


def check_none_keyless(before: Mapping[str, PartnerKeys], after: Mapping[str, PartnerKeys]) -> None:
    """Raises KeysError where a running process would lose a partner's keys: its file may be on its way, as another's.

    What the partner signs meanwhile would be thrown away. Keys in other hands are replaced by a new set, not taken out.
    """
    if gone := sorted(set(before) - set(after)):
        raise KeysError(f"{gone[0]}.json is gone; its keys hold until another set is there, or to a restart")


def agreement_names(agreed: Agreed, signers: Signers | None) -> frozenset[str]:
    """The contracts that hold, and whose signatures count."""
    contracts = (
        f"{each.partner}: {each.purpose}, version {each.version}, policy {each.policy_version}, hash {each.hash()[:32]}"
        for each in agreed.contracts
    )
    return frozenset([*contracts, *(f"signers: key {found}" for found in (signers.thumbprints() if signers else ()))])


def key_names(keys: Mapping[str, PartnerKeys]) -> frozenset[str]:
    return frozenset(f"{name}: key {found}" for name, held in keys.items() for found in held.thumbprints())


def _of(partner: str, problems: list[tuple[Contract, str]]) -> int:
    return sum(contract.partner == partner for contract, _ in problems)
