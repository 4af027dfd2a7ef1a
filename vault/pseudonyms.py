"""Pseudonyms: what facts, features and decisions know entities by."""

from vault.chain import Chain
from vault.keyring import Keyring


class Pseudonymiser(Chain[str]):
    """`Pseudonymiser(keyring)(kind, canonical)` is an entity's pseudonym; `rotate` brings an older one up to date."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(keyring, "pseudonym")
