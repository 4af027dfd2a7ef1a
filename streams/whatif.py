"""`amana whatif`: the decisions of a range, made again on their own vectors under other rules or another model.

By `models.screening.conclude`, as screening makes them. Nothing is written anywhere, and no consumer group is joined.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import numpy as np

from events.facts import OrderFact
from events.types import OrderPlaced
from features.formulas import Floats
from models import artifact, screening
from models.decisions import Decision
from models.errors import ForeignVectors
from models.policy import Costs, Policy, amounts_of, within_capacity
from models.rollout import drawn
from models.rules import Ruleset, default, loaded
from models.scoring import HistScorer
from models.screening import Definitions
from models.whatif import Compared, Comparison
from review.opener import opens_case
from sharing.contracts import Contract
from sharing.fields import FIELDS, Disclosable
from streams.bootstrap.screen import policy_of
from streams.errors import NotKnown
from streams.replay import Scope
from streams.settings import Settings
from streams.traffic import Counts, Judged, Traffic

_DAY_MS = 86_400_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be otherwise. What is None stays as it was for each order: its model, its rules.

    `model` decides `share` of the orders, those that would fall to a challenger of that name (models/rollout.py).
    """

    ruleset: Ruleset | None = None
    model: str | None = None
    share: float = 1.0
    costs: Costs | None = None
    reviews_per_day: float | None = None
    review_at: float | None = None
    block_at: float | None = None
    limit: int = 20


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that a partner would have got by its contract; `otherwise`: told on both sides, but something else."""

    partner: str
    version: int
    then: int
    now: int
    more: int
    fewer: int
    otherwise: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`models` and `rules` of each side with the orders that they decided; `price_cents` by the model of now."""

    from_ms: int
    until_ms: int
    definitions: str
    models_then: dict[str, int]
    models_now: dict[str, int]
    rules_then: dict[str, int]
    rules_now: dict[str, int]
    price_cents: dict[str, float]
    read: Counts
    compared: Comparison
    partners: list[Told]


class Past(NamedTuple):
    """Where the models of then are, the rules of then by their hash, and the keys that models are signed with."""

    models: Path
    rules: Mapping[str, Ruleset]
    public: Path | None = None


NOBODY = "none"  # the name of no model


class Sides:
    """Who concludes now: for each order the models and rules that are asked for, else its own of then."""

    def __init__(self, asked: Asked, past: Past, definitions: Definitions) -> None:
        self._asked, self._past, self.definitions = asked, past, definitions
        self._scorers: dict[str | None, HistScorer | None] = {None: None}
        self.policies: dict[str | None, Policy] = {}
        if asked.model is not None:
            self.scorer(asked.model)

    def key(self, each: Judged) -> tuple[str | None, str | None]:
        """The model and the rules that conclude on an order now."""
        asked, decision = self._asked, each.decision
        model = asked.model if asked.model is not None and self._falls(each) else decision.model
        return model, asked.ruleset.hash if asked.ruleset else decision.rules

    def _falls(self, each: Judged) -> bool:
        """Whether an order is the asked model's."""
        if self._asked.share >= 1.0 or not isinstance(each.fact, OrderFact):
            return self._asked.share > 0.0
        return bool(drawn([each.fact], str(self._asked.model), self._asked.share)[0])

    def scorer(self, version: str | None) -> HistScorer | None:
        """Raises NoModel, ArtifactRefused, ForeignVectors."""
        if version not in self._scorers:
            found = artifact.load(self._past.models, version, self._past.public)
            if found.definitions != self.definitions.hash:
                raise ForeignVectors(
                    f"model {version} was trained on definitions {found.definitions}, the vectors are of "
                    f"{self.definitions.hash}: train again, or name a model that belongs to them"
                )
            self._scorers[version] = found
        return self._scorers[version]

    def ruleset(self, rules: str | None) -> Ruleset:
        """Raises NotKnown."""
        if self._asked.ruleset is not None:
            return self._asked.ruleset
        found = self._past.rules.get(rules or "")
        if found is None:
            raise NotKnown(
                f"orders were judged by rules {rules}, which neither come with Amana nor were found in the topic: "
                "name their file with --rules-then, or other rules with --rules"
            )
        return found

    def policy(self, version: str | None) -> Policy:
        if version not in self.policies:
            settings = Settings(review_at=self._asked.review_at, block_at=self._asked.block_at)
            own = policy_of(settings, self.scorer(version))
            costs = self._asked.costs
            self.policies[version] = own if costs is None else msgspec.structs.replace(own, costs=costs)
        return self.policies[version]

    def settle_prices(self, traffic: Traffic) -> None:
        """The price of a review at which there is time for so many a day, on this very traffic; of several models that
        decide each has the time for its share of the orders.
        """
        per_day = self._asked.reviews_per_day
        if per_day is None:
            return
        scored = _scored(self, traffic)
        orders = sum(len(scores) for scores, _, _ in scored.values())
        days = max((of for _, _, of in scored.values()), default=1.0)
        for version, (scores, amounts_usd, _) in scored.items():
            own = self.policy(version)
            learned = within_capacity(scores, amounts_usd, own.costs, per_day * days * len(scores) / orders)
            self.policies[version] = msgspec.structs.replace(
                own, price_cents=learned.price_cents, typical_usd=learned.typical_usd
            )


def whatif(traffic: Traffic, scope: Scope, sides: Sides, contracts: Sequence[Contract], limit: int) -> Report:
    """Raises what Sides does."""
    sides.settle_prices(traffic)
    compared = Compared(limit)
    partners = [_Partner(contract) for contract in contracts]
    names: tuple[dict[str, int], ...] = ({}, {}, {}, {})
    for part, matrix, (version, rules) in _parts(sides, traffic):
        facts, then = [each.fact for each in part], [each.decision for each in part]
        policy = sides.policy(version)
        now = screening.conclude(
            facts, matrix, sides.scorer(version), policy, sides.definitions, ruleset=sides.ruleset(rules)
        )
        compared.take(facts, then, now, amounts_of(matrix, sides.definitions.names), policy)
        for partner in partners:
            partner.take(then, now)
        for before, after in zip(then, now, strict=True):
            for counts, name in zip(names, (before.model, after.model, before.rules, after.rules), strict=True):
                counts[name or NOBODY] = counts.get(name or NOBODY, 0) + 1
    return Report(
        from_ms=scope.from_ms,
        until_ms=scope.until_ms,
        definitions=sides.definitions.hash,
        models_then=names[0],
        models_now=names[1],
        rules_then=names[2],
        rules_now=names[3],
        price_cents={version or NOBODY: policy.price_cents for version, policy in sides.policies.items()},
        read=traffic.counts,
        compared=compared.result([traffic.labels.of(order_id) for order_id in compared.order_ids]),
        partners=[partner.told() for partner in partners],
    )


def rules_of_then(names: Sequence[str], files: Sequence[Path]) -> dict[str, Ruleset]:
    """The rules that come with Amana and those of files, by hash. Raises BadRules."""
    found = [default(names), *(loaded(path, names) for path in files)]
    return {ruleset.hash: ruleset for ruleset in found}


def _parts(sides: Sides, traffic: Traffic) -> Iterator[tuple[list[Judged], Floats, tuple[str | None, str | None]]]:
    """Chunks of which one model and one set of rules conclude on all."""
    for chunk in traffic.chunks():
        keys = [sides.key(each) for each in chunk]
        for key in dict.fromkeys(keys):
            part = [each for each, of in zip(chunk, keys, strict=True) if of == key]
            yield part, traffic.matrix(part), key


def _scored(sides: Sides, traffic: Traffic) -> dict[str | None, tuple[Floats, Floats, float]]:
    """Of each model the scores and amounts of the orders that it concludes on now, and how many days they take."""
    found: dict[str | None, tuple[list[Floats], list[Floats], list[int]]] = {}
    for part, matrix, (version, _) in _parts(sides, traffic):
        scorer = sides.scorer(version)
        rows = [row for row, each in enumerate(part) if each.decision.vector is not None]
        if scorer is None or not rows:
            continue
        scores, amounts_usd, times = found.setdefault(version, ([], [], []))
        scores.append(scorer.scores(matrix[rows]))
        amounts_usd.append(amounts_of(matrix[rows], sides.definitions.names))
        times += [part[row].fact.occurred_at_ms for row in rows]
    return {
        version: (
            np.concatenate(scores),
            np.concatenate(amounts_usd),
            max(1.0, (max(times) - min(times)) / _DAY_MS),  # as training counts them
        )
        for version, (scores, amounts_usd, times) in found.items()
    }


class _Partner:
    """Counts the messages of one contract, by the conditions under which the case opener sends them."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._then = self._now = self._more = self._fewer = self._otherwise = 0

    def take(self, then: Sequence[Decision], now: Sequence[Decision]) -> None:
        for before, after in zip(then, now, strict=True):
            was, is_ = self._message(before), self._message(after)
            self._then += was is not None
            self._now += is_ is not None
            self._more += was is None and is_ is not None
            self._fewer += was is not None and is_ is None
            self._otherwise += was is not None and is_ is not None and was != is_

    def told(self) -> Told:
        return Told(
            partner=self._contract.partner,
            version=self._contract.version,
            then=self._then,
            now=self._now,
            more=self._more,
            fewer=self._fewer,
            otherwise=self._otherwise,
        )

    def _message(self, decision: Decision) -> tuple[object, ...] | None:
        """What a message says of the decision (of the order it says the same on both sides); None without a message."""
        if not opens_case(decision) or decision.mode == "refused":
            return None
        if not self._contract.triggered_by(decision.outcome):
            return None
        disclosable = Disclosable(
            order=cast("OrderPlaced", None),  # fields without a source read the decision alone
            decision_id=decision.decision_id,
            outcome=decision.outcome,
            reasons=tuple(reason.code for reason in decision.reasons),
        )
        told = []
        for term in self._contract.fields:
            field = FIELDS[term.name]
            value = field.read(disclosable) if field.source is None and field.read is not None else None
            if value is not None:
                told.append(term.apply(value))
        return tuple(told)
