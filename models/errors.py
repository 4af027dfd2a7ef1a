"""What can go wrong in models.

AmanaError
 └─ ModelsError
     ├─ BadPolicy            thresholds that are no probabilities or are out of order
     ├─ UntrainableTable     a training table from which nothing can be learned
     ├─ FromTheFuture        training data that holds what nobody could know then
     ├─ NoModel              no version under that name, or none at all
     ├─ ArtifactRefused      a model file that was changed, is of another format or holds types outside the closed list
     ├─ ChunkDependent       a model whose score of an order depends on the orders beside it
     ├─ BadKey               a key of those who make models that cannot be used
     ├─ BadRules             a rules file with mistakes; the message has each with its place
     ├─ BadPromotion         a promotion of rules or of a model that must not come into force
     └─ ForeignVectors       vectors of other definitions than the model's, or of another width
"""

from collections.abc import Sequence
from typing import Protocol

from events.errors import AmanaError


class ModelsError(AmanaError):
    """Root of this room's errors."""


class BadPolicy(ModelsError):
    """Thresholds that are no probabilities or are out of order."""


class UntrainableTable(ModelsError):
    """A training table from which nothing can be learned."""


class FromTheFuture(ModelsError):
    """Training data that holds what nobody could know then: the future, or the label itself."""


class NoModel(ModelsError):
    """No version under that name, or none at all."""


class ArtifactRefused(ModelsError):
    """A model file that was changed, is of another format or holds types outside the closed list."""


class ChunkDependent(ModelsError):
    """A model whose score of an order depends on the orders beside it."""


class BadKey(ModelsError):
    """A key of those who make models that cannot be used."""


class Placed(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def message(self) -> str: ...
    def text(self, file: str) -> str: ...


class BadRules(ModelsError):
    """A rules file, or a file of cases for it, with mistakes: `problems`, in the order of their places."""

    def __init__(self, file: str, problems: Sequence[Placed]) -> None:
        super().__init__("\n".join(problem.text(file) for problem in problems))
        self.problems = tuple(problems)


class BadPromotion(ModelsError):
    """A promotion of rules or of a model that must not come into force."""


class ForeignVectors(ModelsError):
    """Vectors of other definitions than the model's, or of another width."""
