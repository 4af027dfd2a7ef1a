"""Contracts as somebody might change them: by a slip, or to let more out."""

import copy
from random import Random
from typing import Any

from tests.sharing import naive

_WHY = "made by a mutation of the tests"
_ODD: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    True,
    "keep",
    [],
    {},
    ["x"],
    "network",
    "day",
    [5, 1],
    [100, 500],
    1.5,
    "dpv:Marketing",
    "xqzjvkwp",
)
_SETTINGS: dict[str, dict[str, Any]] = {
    "amount": {"edges": [1, 10, 100, 1_000, 10_000, 100_000]},
    "occurred_at": {"to": "hour"},
    "ip": {"to": "network"},
}
ALL_FIELDS = [name for names in naive.CLASSES.values() for name in names]
OPERATORS = sorted({*naive.FITS, "disclose", "pseudonym", "generalise", "count", "constant", "none", "Keep"})


def mutate(rng: Random, contract: dict[str, Any]) -> dict[str, Any]:
    """One to three changes; about half of what comes out may still be used."""
    changed = copy.deepcopy(contract)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(rng, changed)
    return changed


def everything() -> dict[str, Any]:
    """A contract that asks for every field, each by the operator that tells most."""
    names = [(operator, name) for operator, names in naive.FITS.items() for name in sorted(names)]
    return {
        "partner": "everything",
        "kind": "financial_institution",
        "version": 1,
        "purpose": "dpv:FraudPreventionAndDetection",
        "legal_basis": "dpv:LegitimateInterest",
        "trigger": "blocked",
        "fields": [
            {"name": name, "operator": operator, "reason": _WHY} | _SETTINGS.get(name, {})
            for operator, name in names
            if naive.ISSUED_BY.get(name, "financial_institution") == "financial_institution"
        ],
    }


def _line(rng: Random, name: str, operator: str) -> dict[str, Any]:
    line: dict[str, Any] = {"name": name, "operator": operator, "reason": _WHY}
    if operator == "band":
        line["edges"] = sorted(rng.sample(range(1, 10_000), rng.randrange(1, 11)))
    if operator == "truncate":
        right = ("network",) if name == "ip" else ("hour", "day", "week")
        line["to"] = rng.choice(right if rng.random() < 0.8 else ("hour", "day", "week", "network"))
    return line


def _fitting(rng: Random) -> dict[str, Any]:
    operator = rng.choice(sorted(naive.FITS))
    return _line(rng, rng.choice(sorted(naive.FITS[operator])), operator)


def _add_fitting(rng: Random, contract: dict[str, Any]) -> None:
    there = [line.get("name") for line in contract["fields"]]
    line = _fitting(rng)
    if line["name"] not in there or rng.random() < 0.1:
        contract["fields"].insert(rng.randrange(len(there) + 1), line)


def _add_any(rng: Random, contract: dict[str, Any]) -> None:
    contract["fields"].append(_line(rng, rng.choice([*ALL_FIELDS, "fingerprint"]), rng.choice(OPERATORS)))


def _drop(rng: Random, contract: dict[str, Any]) -> None:
    if contract["fields"]:
        contract["fields"].pop(rng.randrange(len(contract["fields"])))


def _shuffle(rng: Random, contract: dict[str, Any]) -> None:
    rng.shuffle(contract["fields"])


def _spoil_line(rng: Random, contract: dict[str, Any]) -> None:
    if contract["fields"]:
        line = rng.choice(contract["fields"])
        line[rng.choice([*line, "edges", "to", "extra"])] = rng.choice([*_ODD, *OPERATORS, *ALL_FIELDS])


def _set_otherwise(rng: Random, contract: dict[str, Any]) -> None:
    for line in contract["fields"]:
        if "to" in line:
            line["to"] = rng.choice(("hour", "day", "week", "network", "minute", "month"))
        if "edges" in line:
            line["edges"] = rng.choice(([], [1], [2, 2], [0, 5], [9, 3], [1, 2, 3], [10**9], list(range(1, 12)), ["5"]))


def _unspeak(rng: Random, contract: dict[str, Any]) -> None:
    if contract["fields"]:
        line = rng.choice(contract["fields"])
        line.pop(rng.choice([*line, "edges"]), None)


def _another_kind(rng: Random, contract: dict[str, Any]) -> None:
    contract["kind"] = rng.choice([*sorted(naive.KINDS), "advertiser"])


def _another_version(rng: Random, contract: dict[str, Any]) -> None:
    contract["version"] = rng.choice((1, 2, 9, 0, -1, "1"))


def _spoil_head(rng: Random, contract: dict[str, Any]) -> None:
    key = rng.choice(("partner", "purpose", "legal_basis", "trigger", "extra"))
    contract[key] = rng.choice(("dpv:FraudPreventionAndDetection", "other-partner", "blocked", "", 7, "UPPER", "a\n"))


_CHANGES = (
    _add_fitting, _add_fitting, _add_fitting, _add_any, _drop, _shuffle, _spoil_line, _set_otherwise, _unspeak,
    _another_kind, _another_version, _spoil_head,
)  # fmt: skip
