"""Is the simulated store a fair test? What each raw field gives away, what windows of behaviour find, how fast it is.

`python -m benchmarks.simulated_store` prints the tables of docs/simulator.md and writes results/simulated_store.json.
"""

import json
import platform
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import click
import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from events import canonical, geo
from events.likeness import name_in_email
from events.types import AnyEvent, Label, OrderPlaced, PaymentAttempted, VisitRecorded
from simulator.frauds import KINDS
from simulator.journal import Simulated
from simulator.places import CURRENCIES
from simulator.settings import Settings
from simulator.store import simulate

RESULTS = Path(__file__).parent / "results" / "simulated_store.json"
WINDOWS_S = (600, 3_600, 86_400, 7 * 86_400, 30 * 86_400)


def raw_fields(orders: Iterable[OrderPlaced]) -> pd.DataFrame:
    """One row an order, one numeric column a raw field: numbers as they are, text and categories as sorted codes.

    Beside them what a glance at one order tells: parts of its time, where its address is, whose e-mail it seems.
    """
    rows = [_flat(msgspec.to_builtins(order)) | _at_a_glance(order) for order in orders]
    table = pd.DataFrame(rows)
    for name in table.columns.difference(table.select_dtypes("number").columns):
        table[name] = pd.Categorical(table[name].astype("string")).codes
    return table.astype(float).fillna(-1.0)


def _at_a_glance(order: OrderPlaced) -> dict[str, object]:
    country, email = geo.country_of(order.ip), order.contact.email or ""
    return {
        "hour": order.occurred_at.hour,
        "weekday": order.occurred_at.weekday(),
        "lines": len(order.items),
        "ip_country": country,
        "ip_distance_km": geo.distance_km(country, order.shipping.country) if country and order.shipping else None,
        "email_provider": canonical.email_provider(email),
        "name_in_email": name_in_email(order.contact.name, email),
    }


def _flat(value: object, path: str = "") -> dict[str, object]:
    """Leaves by their path; of a list, the first element and the one after it."""
    if isinstance(value, dict):
        inner = [_flat(v, f"{path}.{k}" if path else str(k)) for k, v in value.items()]
    elif isinstance(value, list | tuple):
        inner = [_flat(v, f"{path}.{n}") for n, v in enumerate(value[:2])]
    else:
        return {path: value}
    return {name: leaf for part in inner for name, leaf in part.items()}


def field_aucs(table: pd.DataFrame, fraud: NDArray[np.bool_], splits: int = 5) -> dict[str, float]:
    """AUC of a depth-3 tree on each column alone, out of sample (so many folds), never below 0.5."""
    folds = StratifiedKFold(splits, shuffle=True, random_state=0)
    tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=20, random_state=0)
    aucs = {}
    for name in table.columns:
        scores = cross_val_predict(tree, table[[name]].to_numpy(), fraud, cv=folds, method="predict_proba")[:, 1]
        auc = float(roc_auc_score(fraud, scores))
        aucs[name] = max(auc, 1 - auc)
    return aucs


class Memory:
    """When what was seen, by theme and entity: the naive store behind the window counts."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], list[float]] = defaultdict(list)

    def note(self, theme: str, entity: str | None, at_s: float) -> None:
        if entity is not None:
            self._times[theme, entity].append(at_s)

    def read(self, theme: str, entity: str | None, at_s: float) -> dict[str, float]:
        """Counts in each window and the age in seconds; nothing where there is no entity."""
        if entity is None:
            return {}
        times = self._times.get((theme, entity), [])
        counts = {f"{theme}.{w}s": float(len(times) - bisect_left(times, at_s - w)) for w in WINDOWS_S}
        return counts | {f"{theme}.age_s": at_s - times[0] if times else -1.0}


def window_features(events: Iterable[AnyEvent]) -> pd.DataFrame:
    """One row an order, in order: counts of orders, pages, logins, payments by entity, and ages; read, then updated."""
    memory, rows = Memory(), []
    for event in events:
        themes = _themes(event)
        at_s = event.occurred_at.timestamp()
        if isinstance(event, OrderPlaced):
            asked = _asked(event)
            row = {name: n for theme, entity in asked for name, n in memory.read(theme, entity, at_s).items()}
            rows.append(row | {"amount_usd": _dollars(event), "to_billing": float(event.billing == event.shipping)})
        for theme, entity in themes:
            memory.note(theme, entity, at_s)
    return pd.DataFrame(rows)


def _entities(order: OrderPlaced) -> dict[str, str | None]:
    return {
        "customer": order.customer_id,
        "card": order.payment.psp_token,
        "device": order.device_id,
        "ip": order.ip,
        "network": order.ip.rpartition(".")[0],
        "email": order.contact.email,
        "phone": order.contact.phone,
        "address": str(order.shipping),
    }


def _themes(event: AnyEvent) -> list[tuple[str, str | None]]:
    """The counters that an event moves, each with its entity."""
    if isinstance(event, OrderPlaced):
        return [(f"orders.{kind}", entity) for kind, entity in _entities(event).items()]
    if isinstance(event, VisitRecorded):
        return [
            ("pages.session", event.session_id or event.ip),
            ("pages.device", event.device_id),
            ("pages.ip", event.ip),
        ]
    if isinstance(event, Label):
        return []
    if isinstance(event, PaymentAttempted):
        name = "paid" if event.approved else "declined"
    else:
        name = type(event).__name__ + ("" if getattr(event, "succeeded", True) else ".failed")
    return [(f"{name}.customer", event.customer_id), (f"{name}.device", event.device_id), (f"{name}.ip", event.ip)]


ACTIVITIES = (
    "paid",
    "declined",
    "LoggedIn",
    "LoggedIn.failed",
    "CredentialsChanged",
    "AddressAdded",
    "AccountRegistered",
    "OrderRefunded",
    "ContestEntered",
)


def _asked(order: OrderPlaced) -> list[tuple[str, str | None]]:
    """The counters that are read for an order, each with its entity."""
    entities = _entities(order)
    asked = [(f"orders.{kind}", entity) for kind, entity in entities.items()]
    asked += [
        ("pages.session", order.session_id or order.ip),
        ("pages.device", order.device_id),
        ("pages.ip", order.ip),
    ]
    return asked + [(f"{name}.{kind}", entities[kind]) for name in ACTIVITIES for kind in ("customer", "device", "ip")]


def _dollars(order: OrderPlaced) -> float:
    rate, decimals = CURRENCIES[order.currency]
    return float(order.amount_minor / 10**decimals / rate)


def field_aucs_by_kind(told: Iterable[Simulated], splits: int = 5) -> dict[str, dict[str, float]]:
    """The same of each kind of fraud among a few genuine orders; a kind of fewer orders than folds is left out."""
    placed = [(one.event, one.fraud or "") for one in told if isinstance(one.event, OrderPlaced)]
    table, kinds = raw_fields(order for order, _ in placed), np.array([kind for _, kind in placed])
    genuine = np.flatnonzero(kinds == "")
    few = genuine[:: max(1, len(genuine) // 2_500)]
    found = {}
    for kind in KINDS:
        if (kinds == kind.name).sum() >= splits:
            either = np.sort(np.concatenate([np.flatnonzero(kinds == kind.name), few]))
            found[kind.name] = field_aucs(table.iloc[either], kinds[either] == kind.name, splits)
    return found


def held_out(features: pd.DataFrame, fraud: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Train on the first 60 % of the orders with the truth as labels; return the rest's truth and scores."""
    cut = len(features) * 6 // 10
    model = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.08, max_leaf_nodes=15, random_state=0)
    model.fit(features[:cut], fraud[:cut])
    return fraud[cut:], model.predict_proba(features[cut:])[:, 1]


def found(fraud: NDArray[np.bool_], scores: NDArray[np.float64], share: float) -> float:
    """The share of frauds among the orders with the highest scores, that share of all."""
    reviewed = np.argsort(-scores, kind="stable")[: max(1, round(len(scores) * share))]
    return float(fraud[reviewed].sum() / fraud.sum())


def assess(settings: Settings) -> dict[str, float]:
    """The figures of one store: the raw field that tells most, and what windows tell, by kind."""
    told = list(simulate(settings))
    orders = [one for one in told if isinstance(one.event, OrderPlaced)]
    kinds = np.array([one.fraud or "" for one in orders])
    raw = field_aucs(raw_fields(one.event for one in orders if isinstance(one.event, OrderPlaced)), kinds != "")
    truth, scores = held_out(window_features(one.event for one in told), kinds != "")
    figures = {"raw_field_worst_auc": max(raw.values()), "windows_auc": float(roc_auc_score(truth, scores))}
    figures["windows_found_in_2pct"] = found(truth, scores, 0.02)
    held_kinds = kinds[-len(truth) :]
    for kind in KINDS:
        either = (held_kinds == kind.name) | ~truth
        figures[f"windows_auc.{kind.name}"] = float(roc_auc_score(truth[either], scores[either]))
    worst = sorted(raw.items(), key=lambda item: -item[1])[:5]
    return figures | {f"raw.{name}": auc for name, auc in worst}


def events_per_s(settings: Settings, runs: int = 5) -> float:
    """Generated with their JSON bytes, by the second of processor time; the median of some runs."""

    def once() -> float:
        started = time.process_time()
        count = sum(1 for _ in simulate(settings))
        return count / (time.process_time() - started)

    return median(once() for _ in range(runs))


@click.command()
@click.option("--seed", default=7, show_default=True)
@click.option("--orders-per-day", default=500.0, show_default=True)
def main(seed: int, orders_per_day: float) -> None:
    """Measure difficulties 0, 0.5 and 1, and the speed."""
    results = {}
    for difficulty in (0.0, 0.5, 1.0):
        settings = Settings(seed=seed, difficulty=difficulty, orders_per_day=orders_per_day, customers=6_000)
        results[f"{difficulty:g}"] = assess(settings)
        print(f"difficulty {difficulty:g}")
        for name, figure in results[f"{difficulty:g}"].items():
            print(f"  {name:<40} {figure:.3f}")
    speed = events_per_s(Settings(seed=seed))
    print(f"{speed:,.0f} events/s with their JSON")
    report = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "difficulty": results,
        "figures": {"simulator_events_per_s": speed, "simulator_windows_auc": results["0.5"]["windows_auc"]},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
