"""Rules: conditions that people write, over features and event fields, with what is to be done where they hold."""

from models.rules.judging import SILENT, Rule, Ruleset, Verdict
from models.rules.orders import Orders, of_facts
from models.rules.source import DEFAULT_FILE, default, hash_of, loaded, parsed

__all__ = [
    "DEFAULT_FILE",
    "SILENT",
    "Orders",
    "Rule",
    "Ruleset",
    "Verdict",
    "default",
    "hash_of",
    "loaded",
    "of_facts",
    "parsed",
]
