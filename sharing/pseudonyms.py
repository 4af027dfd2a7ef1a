"""Partners' pseudonyms: what an id is called towards one partner, and towards no other.

A name is 128 bits of HMAC-SHA256 over the id, under a key that HKDF (RFC 5869) makes of the keyring's `partner` key for
one partner, one kind of id and one epoch. Two partners therefore hold names that have nothing to do with each other,
and neither do a partner's names of two epochs. Which epoch an order's names are of is a matter of the day on which it
was placed, so that a repeat says the same; all names of a message are of that one epoch, whose number it states.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from vault.chain import framed, named
from vault.derivation import key_for

_CONTEXT = "amana partner pseudonym 1"
# Ids have one writing: ASCII, within the events' own pattern. Whatever else comes here has no canonical form.
_CANONICAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


class Epoch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Names of orders placed from the day `since` on (UTC) are made anew. `key` is the version of the root key."""

    number: Annotated[int, Meta(ge=1, le=10_000)]
    since: date
    key: Annotated[int, Meta(ge=1, le=10_000)] = 1


def problem(epochs: Sequence[Epoch]) -> str | None:
    """Why these cannot be a partner's epochs, or None: they count from 1, each later than the one before."""
    if [epoch.number for epoch in epochs] != list(range(1, len(epochs) + 1)):
        return "epochs must count 1, 2, 3 ..."
    days = [epoch.since for epoch in epochs]
    return None if days == sorted(set(days)) else "each epoch must begin later than the one before"


def epoch_of(epochs: Sequence[Epoch], moment: datetime) -> Epoch:
    """The epoch that an order placed then belongs to; what is older than the first belongs to the first."""
    day = moment.astimezone(UTC).date()
    return next((epoch for epoch in reversed(epochs) if epoch.since <= day), epochs[0])


class Pseudonyms:
    """One partner's names. `roots` are the keyring's `partner` keys, version 1 first."""

    __slots__ = ("_key", "partner")

    def __init__(self, roots: Sequence[bytes], partner: str) -> None:
        self.partner = partner
        # A closure, so that no dump of attributes shows a root key.
        self._key = lru_cache(256)(
            lambda kind, epoch, version: key_for(roots[version - 1], _CONTEXT, partner, kind, str(epoch))
        )

    def name(self, kind: str, value: str, epoch: Epoch) -> str:
        """22 characters of base64url. Raises ValueError for what is no id; never shows it."""
        if not _CANONICAL.fullmatch(value):
            raise ValueError("not an id")
        return named(self._key(kind, epoch.number, epoch.key), framed(value))

    def __repr__(self) -> str:
        return f"<Pseudonyms for {self.partner}>"
