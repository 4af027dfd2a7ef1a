"""What can go wrong in models.

AmanaError
 └─ ModelsError
     ├─ BadPolicy            thresholds that are no probabilities or are out of order
     ├─ UntrainableTable     a training table from which nothing can be learned
     ├─ FromTheFuture        training data that holds what nobody could know then
     ├─ NoModel              no version under that name, or none at all
     ├─ ArtifactRefused      a model file that was changed, is of another format or holds types outside the closed list
     └─ ForeignVectors       vectors of other definitions than the model's, or of another width
"""

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


class ForeignVectors(ModelsError):
    """Vectors of other definitions than the model's, or of another width."""
