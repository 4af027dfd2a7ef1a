"""Identifiers that look drawn but are counted: unique, and silent about their order."""

_MASK = (1 << 40) - 1
_STEP = 0x9E3779B97F | 1  # odd, so that multiplying by it is a bijection of 40 bits


class Ids:
    """Counts from the seed; ten hexadecimal digits are too few to be taken for a card number."""

    def __init__(self, seed: int) -> None:
        self._next = (seed * 0x5851F42D4C95) & _MASK

    def mint(self, prefix: str) -> str:
        self._next = (self._next + _STEP) & _MASK
        mixed = self._next ^ (self._next >> 17)
        return f"{prefix}{(mixed * 0xD6E8FEB867) & _MASK:010x}"
