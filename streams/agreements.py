"""Contracts that are not in force, named when a process starts and when one ends while it runs."""

from collections.abc import Callable

import structlog
from prometheus_client import Gauge

from sharing.contracts import Contract
from sharing.standing import Agreed
from streams.metrics import Metrics

log = structlog.get_logger()


class Watched:
    """Look now and then: a warning for each contract that is not in force, once; the gauge follows the clock.

    Labels are partners; a partner may have several contracts.
    """

    def __init__(self, agreed: Agreed, now_ms: Callable[[], int], metrics: Metrics | None = None) -> None:
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
        problems = self._agreed.problems(self._now_ms())
        named = {contract.hash(): why for contract, why in problems}
        for contract, why in problems:
            if self._named.get(contract.hash()) != why:
                log.warning("contract.not_in_force", partner=contract.partner, version=contract.version, why=why)
        self._named = named
        if self._silent is not None:
            for partner in self._agreed.partners:
                self._silent.labels(partner).set(_of(partner, problems))


def _of(partner: str, problems: list[tuple[Contract, str]]) -> int:
    return sum(contract.partner == partner for contract, _ in problems)
