"""Blind indexes: search tokens for values that are stored sealed, equal for equal canonical values.

Their keys are not the pseudonyms', so that the case database cannot be joined with facts or features.
"""

from typing import Literal

from vault.chain import Chain
from vault.keyring import Keyring

Searchable = Literal["customer", "email", "phone", "last4", "order"]


class BlindIndex(Chain[Searchable]):
    """`BlindIndex(keyring)(field, canonical)` gives the token to store, or to search by."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(keyring, "blind_index")
