"""The models topic: promoted by people, followed by every screening worker, which says there from where on it obeyed.

One partition, so that all workers see the same order, and the last promotion is in force. A worker reads the version
from its own folder of models, and takes it only with the content that the promotion names, signed by a key that it
trusts; what it cannot take is refused loudly, and what was in force stays.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
from aiokafka import ConsumerRecord

from events import topics
from models.decisions import Decision
from models.errors import BadPromotion, ModelsError
from models.promotion import KEY, Promotion, Switch, checked, decoded, encode, judge_of, switch_key
from models.rollout import Rollout
from streams.promotions import held, send

log = structlog.get_logger()

# What is wrong with a version. A model whose trees are not as we walk them is a ValueError.
UNUSABLE = (ModelsError, OSError, ValueError)
Open = Callable[[Promotion], Rollout]
Record = Callable[[Switch], Awaitable[None]]


class Models:
    """What orders are scored by now. `open` loads a promotion's versions; `base` is for as long as there is none;
    `refused` is called for each that cannot be taken.
    """

    def __init__(
        self,
        open: Open,  # noqa: A002 - it is what it does
        base: Callable[[], Rollout],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._open = open
        self._base = base
        self._refused = refused
        self._rollout: Rollout | None = None
        self.said: dict[int, Switch] = {}  # partition -> the last switch that the topic is known to have

    @property
    def rollout(self) -> Rollout:
        assert self._rollout is not None, "begin first"
        return self._rollout

    def begin(self, records: Sequence[ConsumerRecord]) -> None:
        """The last promotion among a topic's records that can be loaded; those before it are not looked at."""
        promotions = [record for record in records if not self._switched(record)]
        for record in reversed(promotions):
            if self._take(record):
                return
        self._rollout = self._base()

    def take(self, record: ConsumerRecord) -> None:
        """Put a record's models in force, or say why not; may be called from a thread of its own."""
        if not self._switched(record):
            self._take(record)

    def _switched(self, record: ConsumerRecord) -> bool:
        if record.key == KEY:
            return False
        try:
            switch = decoded(record.value)
        except BadPromotion:
            return False
        if isinstance(switch, Switch):
            self.heard(switch)
        return isinstance(switch, Switch)

    def heard(self, switch: Switch) -> None:
        """Of what a worker wrote itself it hears again later, when it may have written more."""
        known = self.said.get(switch.partition)
        if known is None or switch.offset >= known.offset:
            self.said[switch.partition] = switch

    def _take(self, record: ConsumerRecord) -> bool:
        try:
            promotion = promotion_of(record)
            rollout = self._open(promotion)
        except UNUSABLE as error:
            log.error("models.refused", offset=record.offset, why=reason(error), in_force=self._in_force())
            self._refused()
            return False
        self._rollout = rollout
        log.info("models.promoted", offset=record.offset, actor=promotion.actor, models=self._in_force())
        return True

    def _in_force(self) -> list[str]:
        if self._rollout is None or self._rollout.scorer is None:
            return []
        challenger = self._rollout.challenger
        return [self._rollout.scorer.version, *([challenger.scorer.version] if challenger else [])]


class Switches:
    """Says once for each partition from which offset on its orders are judged by another model or other rules.

    It is said before the decisions are published: of an order decided twice, before and after a crash, the first
    decision counts, and that is the one by whom the record says.
    """

    def __init__(self, models: Models, record: Record, instance: str) -> None:
        self._models = models
        self._record = record
        self._instance = instance

    async def note(self, partition: int, offset: int, decisions: Sequence[Decision]) -> None:
        judge, said = judge_of(decisions), self._models.said.get(partition)
        if judge is None or (said is not None and judge == said.judge):
            return
        switch = Switch(
            partition=partition,
            offset=offset,
            judge=judge,
            before=said.judge if said else None,
            instance=self._instance,
        )
        models = [name for name, _ in judge.models]
        was = [name for name, _ in switch.before.models] if switch.before else None
        log.info("models.switched", partition=partition, offset=offset, models=models, before=was, rules=judge.rules)
        await self._record(switch)
        self._models.heard(switch)


class Entry(msgspec.Struct, frozen=True):
    """A record of the topic, with the broker's time; `why` it is neither promotion nor switch, where it is none."""

    offset: int
    at_ms: int
    said: Promotion | Switch | None
    why: str = ""


class Other(msgspec.Struct, frozen=True):
    """Somebody else's promotion."""

    offset: int
    version: str
    actor: str


class Promoted(msgspec.Struct, frozen=True):
    """What came of a promotion: its offset, and others that came in between, or after it."""

    offset: int
    promotion: Promotion
    between: tuple[Other, ...]
    after: tuple[Other, ...]


def promotion_of(record: ConsumerRecord) -> Promotion:
    """Raises BadPromotion."""
    found = decoded(record.value)
    if not isinstance(found, Promotion) or record.key != KEY:
        raise BadPromotion("not a promotion of a model")
    return found


def reason(error: Exception) -> str:
    """What is wrong, in our own words, or the kind of it."""
    return str(error) if isinstance(error, ModelsError) else type(error).__name__


def entry_of(record: ConsumerRecord) -> Entry:
    try:
        found = decoded(record.value)
        return Entry(record.offset, record.timestamp, found if isinstance(found, Switch) else promotion_of(record))
    except BadPromotion as error:
        return Entry(record.offset, record.timestamp, None, str(error))


async def entries(brokers: str) -> list[Entry]:
    """All that the topic holds now."""
    return [entry_of(record) for record in await held(brokers, topics.MODELS)]


async def promotions(brokers: str) -> list[tuple[int, Promotion]]:
    """All promotions that the topic holds, with their offsets."""
    return [(each.offset, each.said) for each in await entries(brokers) if isinstance(each.said, Promotion)]


async def promote(brokers: str, promotion: Promotion) -> Promoted:
    """Put a roll-out in force: the last that the topic has is, for all workers.

    Two at once therefore both come into force, one after the other; each sender is told of the other's.
    """
    known = await promotions(brokers)
    replaces = known[-1][1].champion.version if known else None
    promotion = checked(msgspec.structs.replace(promotion, replaces=replaces))
    sent = await send(brokers, topics.MODELS, encode(promotion), KEY)
    since = [
        Other(offset, each.champion.version, each.actor) for offset, each in (await promotions(brokers))[len(known) :]
    ]
    between = tuple(each for each in since if each.offset < sent)
    return Promoted(sent, promotion, between, tuple(each for each in since if each.offset > sent))


def told(done: Promoted) -> tuple[list[str], str]:
    """What came of it for the one who did it, and, where another's models are in force by now, that."""
    promotion = done.promotion
    before = done.between[-1].version if done.between else promotion.replaces or "the workers' own"
    said = [f"model {promotion.champion.version} promoted at offset {done.offset}, in place of {before}"]
    if promotion.challenger:
        decides = f"decides {promotion.share:.2%} of orders" if promotion.share else "scores in shadow"
        said.append(f"challenger {promotion.challenger.version} {decides}")
    said += [f"{each.actor} promoted {each.version} just before, at offset {each.offset}" for each in done.between]
    if not done.after:
        return said, ""
    last = done.after[-1]
    return said, f"{last.actor} promoted {last.version} since, at offset {last.offset}: that is in force"


def earlier(known: Sequence[Promotion], usable: Callable[[Promotion], bool]) -> Promotion:
    """The roll-out before the one in force, of those that workers can load: what they refused was never in force.

    Raises BadPromotion where there is none.
    """
    in_force: Promotion | None = None
    for promotion in reversed(known):
        if in_force is not None and _models(promotion) == _models(in_force):
            continue
        if usable(promotion):
            if in_force is not None:
                return promotion
            in_force = promotion
    if in_force is None:
        raise BadPromotion("nothing to go back from: no model that can be loaded was ever promoted")
    raise BadPromotion(
        f"nothing to go back to: no other was promoted before {in_force.champion.version}; promote one by its name"
    )


def _models(promotion: Promotion) -> tuple[object, ...]:
    return promotion.champion, promotion.challenger, promotion.share


def switch_message(switch: Switch) -> tuple[bytes, bytes]:
    return switch_key(switch.partition), encode(switch)
