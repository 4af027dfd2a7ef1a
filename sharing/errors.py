"""What can go wrong in sharing.

AmanaError
└── SharingError
    ├── ContractError     an ill-formed contract, or one that asks for more than a field's class allows: file and line
    ├── DeliveryError     a delivery that cannot be made or changed as asked
    │   └── TransitionRefused  a state that the life cycle's table does not allow from where the disclosure is
    └── ProjectionError   a value that does not fit its contract's closed type; names the field, never the value
"""

from events.errors import AmanaError


class SharingError(AmanaError):
    """Root of this room's errors."""


class ContractError(SharingError):
    """A contract that is ill-formed or asks for more than a field's class allows."""


class ProjectionError(SharingError):
    """A value that does not fit its contract's closed type: nothing was disclosed."""


class DeliveryError(SharingError):
    """A delivery that cannot be made or changed as asked."""


class TransitionRefused(DeliveryError):
    """A state that the life cycle's table does not allow from where the disclosure is."""
