"""What we know: definitions, windows and tiles, the Redis engine, the vector.

In: facts in chunks of a partition. Out: one vector of named numbers an order, as things stood just before it.
Never: personal data, a score, a clock of its own: time is the facts'.
"""

from features.definitions import DEFINITIONS

__all__ = ["DEFINITIONS"]
