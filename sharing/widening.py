"""Whether a contract tells more than the one before it, and what: each term by an order of its own.

Whatever cannot be compared counts as more. More takes two people's signatures, anything else one.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

import msgspec

from sharing.batches import ladder_of
from sharing.contracts import Contract, Onward, Release, Trigger
from sharing.fields import FIELDS

Direction = Literal["more", "less", "same"]

# Which occasions each trigger takes in: an order is confirmed or asked for only after it was flagged.
_TAKES_IN: Mapping[Trigger, frozenset[Trigger]] = {
    "flagged": frozenset({"flagged", "blocked", "confirmed", "requested"}),
    "blocked": frozenset({"blocked"}),
    "confirmed": frozenset({"confirmed"}),
    "requested": frozenset({"requested"}),
}
_ALLOWS: Mapping[Onward, frozenset[Onward]] = {
    "prohibited": frozenset({"prohibited"}),
    "processors": frozenset({"prohibited", "processors"}),
    "as_law_requires": frozenset({"prohibited", "as_law_requires"}),
}


class Change(msgspec.Struct, frozen=True):
    """`words` say what would be otherwise."""

    direction: Direction
    words: str


def compare(old: Contract | None, new: Contract) -> tuple[Change, ...]:
    """What of `new` differs from `old`, the fields first; of a first contract, all that leaves."""
    if old is None:
        return tuple(Change("more", f"{term.name} would leave: {term.says()}") for term in new.fields)
    return (*_fields(old, new), *_order(old, new), *_terms(old, new), *_times(old, new))


def signatures_needed(old: Contract | None, new: Contract) -> int:
    """How many different people must have signed `new`."""
    return 2 if any(change.direction == "more" for change in compare(old, new)) else 1


def _fields(old: Contract, new: Contract) -> Iterator[Change]:
    before = {term.name: term for term in old.fields}
    after = {term.name: term for term in new.fields}
    for name, term in after.items():
        if name not in before:
            yield Change("more", f"{name}, which stayed behind, would leave: {term.says()}")
        elif term.settings() != before[name].settings():
            way = _direction(term.tells_all_of(before[name]), before[name].tells_all_of(term))
            yield Change(way, f"{name} would leave {term.says()}, instead of {before[name].says()}")
        elif term.reason != before[name].reason:
            yield Change("same", f"{name} would leave for another reason")
    for name in before:
        if name not in after:
            yield _taken_out(name, after.keys())


def _taken_out(name: str, kept: Collection[str]) -> Change:
    """What an issuer's id limits to the cases that have one (`Projection.concerns`) is told of all without it.

    The issuer's other fields limit nothing as long as its id stays.
    """
    field = FIELDS[name]
    ids = [FIELDS[each] for each in kept if FIELDS[each].shape == "id"]
    if field.issuer is None or (field.shape != "id" and any(each.issuer == field.issuer for each in ids)):
        return Change("less", f"{name} would stay behind")
    others = "cases without one would" if field.shape == "id" else "another issuer's cases might"
    return Change("more", f"{name} would stay behind, and {others} be told too")


def _order(old: Contract, new: Contract) -> Iterator[Change]:
    """In which order a batch's fields are left out decides which groups are told, and what of them."""
    if (old.delivery, new.delivery) != ("batch", "batch"):
        return
    before, after = ([term.name for term in contract.fields] for contract in (old, new))
    if ladder_of([name for name in before if name in after]) != ladder_of([name for name in after if name in before]):
        was, would = (", ".join(ladder_of(names)) for names in (before, after))
        yield Change("more", f"fields would be left out in another order: {would}, instead of {was}")


def _terms(old: Contract, new: Contract) -> Iterator[Change]:
    """Who is told, for what, on which occasion, and what the partner may do with it."""
    for name in ("partner", "kind", "purpose", "legal_basis"):
        if getattr(old, name) != getattr(new, name):
            yield Change("more", f"{name} would be {getattr(new, name)}, instead of {getattr(old, name)}")
    if old.trigger != new.trigger:
        way = _direction(old.trigger in _TAKES_IN[new.trigger], new.trigger in _TAKES_IN[old.trigger])
        yield Change(way, f"{new.trigger} orders would be told of, instead of {old.trigger} ones")
    if old.onward_sharing != new.onward_sharing:
        way = _direction(
            old.onward_sharing in _ALLOWS[new.onward_sharing], new.onward_sharing in _ALLOWS[old.onward_sharing]
        )
        yield Change(way, f"passing on would be: {new.onward_sharing}, instead of {old.onward_sharing}")
    if old.retention_days != new.retention_days:
        way = _direction(old.retention_days < new.retention_days, new.retention_days < old.retention_days)
        yield Change(way, f"the partner would keep it {new.retention_days} days, instead of {old.retention_days}")
    if old.policy_version != new.policy_version:
        yield Change("same", f"the policy would be {new.policy_version}, instead of {old.policy_version}")
    if old.push_url != new.push_url:
        way = "less" if new.push_url is None else "more"
        yield Change(way, f"it would be pushed to {new.push_url or 'nowhere'}, instead of {old.push_url or 'nowhere'}")


def _times(old: Contract, new: Contract) -> Iterator[Change]:
    if (old.delivery, old.release) != (new.delivery, new.release):
        way = _direction(_as_soon(new.release, old.release), _as_soon(old.release, new.release))
        yield Change(way, f"it would leave {when(new.release)}, instead of {when(old.release)}")
    if old.jitter_s != new.jitter_s:
        way = "more" if new.jitter_s < old.jitter_s else "less"
        yield Change(way, f"each message would {_wait(new.jitter_s)}, instead of {_wait(old.jitter_s)}")
    if old.valid_from != new.valid_from:
        way = "more" if new.valid_from < old.valid_from else "less"
        yield Change(way, f"the contract would begin on {new.valid_from}, instead of {old.valid_from}")
    if old.valid_until != new.valid_until:
        way = "more" if new.valid_until > old.valid_until else "less"
        yield Change(way, f"the contract would end on {new.valid_until}, instead of {old.valid_until}")
    if old.epochs != new.epochs:
        # A name that lasts longer links more; a further rotation cuts what it links.
        way = "less" if set(old.epochs) <= set(new.epochs) else "more"
        starts = ", ".join(str(epoch.since) for epoch in new.epochs) or "none"
        yield Change(way, f"pseudonyms would change on other days: {starts}")


def _as_soon(one: Release | None, other: Release | None) -> bool:
    """Whether who is told by `one` knows as soon, and of groups as small, as who is told by `other`."""
    if one is None or other is None:
        return one is None
    return (one.day is None or other.day is not None) and one.group_of <= other.group_of


def _wait(jitter_s: int) -> str:
    return f"wait for a time drawn of up to {jitter_s} s" if jitter_s else "not wait"


def when(release: Release | None) -> str:
    """In words, when what a contract tells leaves."""
    if release is None:
        return "at once"
    return f"in groups of {release.group_of} or more, every {release.day or 'day'} at {release.hour:02}:00 UTC"


def _direction(new_has_old: bool, old_has_new: bool) -> Direction:
    if new_has_old and old_has_new:
        return "same"
    return "less" if old_has_new and not new_has_old else "more"
