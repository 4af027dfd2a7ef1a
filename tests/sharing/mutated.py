"""Contracts as somebody might change them: by a slip, or to let more out."""

import copy
from datetime import date
from random import Random
from typing import Any

from tests.sharing import naive

_WHY = "made by a mutation of the tests"
_ODD: tuple[Any, ...] = (
    None, "", " " * 20, "\u200b" * 20, 0, -1, True, "keep", [], {}, ["x"], "network", "day", "area", "country", [5, 1],
    [100, 500], 1.5, 20,
)  # fmt: skip
_WIDEST: dict[str, dict[str, Any]] = {
    "amount": {"operator": "band", "edges": [1, 10, 100, 1_000, 10_000, 100_000]},
    "occurred_at": {"operator": "truncate", "to": "hour"},
    "deadline": {"operator": "truncate", "to": "hour"},
    "verified_at": {"operator": "truncate", "to": "hour"},
    "ip": {"operator": "truncate", "to": "network"},
    "postal_code": {"operator": "truncate", "to": "area"},
    "delivery_area": {"operator": "generalise", "to": "region"},
    "issuer_country": {"operator": "generalise", "to": "country"},
    "notice": {"operator": "constant", "value": "not to be passed on"},
    "psp_reference": {"operator": "echo"},
}
EPOCHS = [{"number": 1, "since": date(2018, 1, 1)}, {"number": 2, "since": date(2021, 6, 1), "key": 2}]
ALL_FIELDS = [name for names in naive.CLASSES.values() for name in names]
OPERATORS = sorted({*naive.FITS, "none", "Keep"})


def mutate(rng: Random, contract: dict[str, Any]) -> dict[str, Any]:
    """One to three changes; about half of what comes out may still be used."""
    changed = copy.deepcopy(contract)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(rng, changed)
    if rng.random() < 0.9:  # as somebody would who knows that names need epochs, and epochs names
        named = any(line.get("operator") == "pseudonym" for line in changed["fields"])
        changed["epochs"] = (changed.get("epochs") or copy.deepcopy(EPOCHS)) if named else []
    return changed


def everything() -> dict[str, Any]:
    """A contract that asks for every field that one kind of partner may have, by the operator that tells most."""
    lines = []
    for operator, names in naive.FITS.items():
        for name in sorted(names):
            widest = _WIDEST.get(name, {"operator": operator})
            mine = naive.ISSUED_BY.get(name, "financial_institution") == "financial_institution"
            if widest["operator"] == operator and mine and operator not in {"disclose", "count"}:
                lines.append({"name": name, "reason": _WHY, **widest})
    return {
        "partner": "everything",
        "kind": "financial_institution",
        "version": 1,
        "purpose": "dpv:FraudPreventionAndDetection",
        "legal_basis": "dpv:LegitimateInterest",
        "trigger": "blocked",
        "delivery": "realtime",
        "fields": lines,
        "epochs": copy.deepcopy(EPOCHS),
        "retention_days": 30,
        "onward_sharing": "prohibited",
        "valid_from": date(2026, 1, 1),
        "valid_until": date(2026, 12, 31),
        "policy_version": "2026-01",
    }


def _line(rng: Random, name: str, operator: str) -> dict[str, Any]:
    line: dict[str, Any] = {"name": name, "operator": operator, "reason": _WHY}
    if operator == "band":
        line["edges"] = sorted(rng.sample(range(1, 10_000), rng.randrange(1, 11)))
    if operator in {"truncate", "generalise"}:
        right = naive.TO.get(name, naive.TIMES)
        line["to"] = rng.choice(
            right if rng.random() < 0.85 else ("hour", "week", "network", "area", "region", "country")
        )
    if operator == "constant" and (name == "notice" or rng.random() < 0.1):
        line["value"] = rng.choice(("not to be passed on", "1", "a: b, c/d", "<b>", "", " x", "x" * 121))
    if operator == "count" and rng.random() < 0.5:
        line["at_least"] = rng.choice((20, 21, 500, 19, 0))
    return line


def _add_fitting(rng: Random, contract: dict[str, Any]) -> None:
    there = [line.get("name") for line in contract["fields"]]
    operator = rng.choice(sorted(naive.FITS))
    line = _line(rng, rng.choice(sorted(naive.FITS[operator])), operator)
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
            line["to"] = rng.choice(("hour", "day", "week", "network", "minute", "area", "region", "country"))
        if "edges" in line:
            line["edges"] = rng.choice(([], [1], [2, 2], [0, 5], [9, 3], [1, 2, 3], [10**9], list(range(1, 12)), ["5"]))


def _unspeak(rng: Random, contract: dict[str, Any]) -> None:
    if contract["fields"]:
        line = rng.choice(contract["fields"])
        line.pop(rng.choice([*line, "edges"]), None)


def _another_kind(rng: Random, contract: dict[str, Any]) -> None:
    contract["kind"] = rng.choice([*sorted(naive.KINDS), "advertiser"])


def _another_delivery(rng: Random, contract: dict[str, Any]) -> None:
    contract["trigger"] = rng.choice([*sorted(naive.TRIGGERS), "always"])
    contract["delivery"] = rng.choice(("realtime", "realtime", "batch", "post"))
    if rng.random() < 0.7:
        contract["release"] = {"hour": 3} if contract["delivery"] == "batch" else None


def _another_epoch(rng: Random, contract: dict[str, Any]) -> None:
    epochs = copy.deepcopy(EPOCHS)
    epochs[rng.randrange(2)]["number"] = rng.choice((1, 2, 3))
    epochs[1]["since"] = rng.choice((date(2018, 1, 1), date(2017, 1, 1), date(2025, 1, 1)))
    contract["epochs"] = epochs


def _another_version(rng: Random, contract: dict[str, Any]) -> None:
    contract["version"] = rng.choice((1, 2, 9, 0, -1, "1"))


def _another_jitter(rng: Random, contract: dict[str, Any]) -> None:
    contract["jitter_s"] = rng.choice((0, 60, 86_400, 86_401, -1, "60", True))


def _spoil_head(rng: Random, contract: dict[str, Any]) -> None:
    key = rng.choice(("partner", "purpose", "legal_basis", "trigger", "onward_sharing", "extra"))
    contract[key] = rng.choice(
        (
            "dpv:FraudPreventionAndDetection",
            "dpv:Contract",
            "dpv:Marketing",
            "other-partner",
            "blocked",
            "",
            7,
            "UPPER",
            "a\n",
        )
    )


_CHANGES = (
    _add_fitting, _add_fitting, _add_fitting, _add_any, _drop, _shuffle, _spoil_line, _set_otherwise, _unspeak,
    _another_kind, _another_delivery, _another_epoch, _another_version, _another_jitter,
    _spoil_head,
)  # fmt: skip
