"""Closed sets of words and numbers that are data rather than code, read once from words.json."""

from collections.abc import Mapping
from pathlib import Path

import msgspec


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tagging_providers` deliver `name+anything` to `name`; they are free providers too.

    `path_pieces` are the words that a route may hold, `decline_codes` the answers of gateways, `iban_lengths` the
    lengths of account numbers by country (ISO 13616).
    """

    tagging_providers: frozenset[str]
    free_providers: frozenset[str]
    disposable_providers: frozenset[str]
    path_pieces: frozenset[str]
    categories: frozenset[str]
    decline_codes: frozenset[str]
    iban_lengths: Mapping[str, int]


WORDS = msgspec.json.decode(Path(__file__).with_name("words.json").read_bytes(), type=Words)
