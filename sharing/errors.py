"""What can go wrong in sharing.

AmanaError
└── SharingError
    ├── ContractError     an ill-formed contract, or one that asks for more than a field's class allows: file and line
    ├── ProjectionError   a value that does not fit its contract's closed type; names the field, never the value
    ├── KeysError         a key or a set of keys that is not what it must be; names file and member, never a key
    ├── RolesError        a roles file that is ill-formed, or that others may write to
    ├── RequestRefused    a request of the law that may not be entered, approved or answered, or not by this person
    ├── TokenError        a token or an acknowledgement that is not taken, or cannot be made; `reason` says why
    ├── DeliveryError     a delivery that cannot be made or changed as asked
    │   └── TransitionRefused  a state that the life cycle's table does not allow from where the disclosure is
    └── LedgerError       an ill-formed leaf, or an entry that is not there
        ├── LedgerBroken  stored rows that contradict each other or what was signed: names the entries
        └── BadProof      a checkpoint, receipt or proof that is ill-formed, or signed by nobody who is trusted
"""

from events.errors import AmanaError


class SharingError(AmanaError):
    """Root of this room's errors."""


class ContractError(SharingError):
    """A contract that is ill-formed or asks for more than a field's class allows."""


class ProjectionError(SharingError):
    """A value that does not fit its contract's closed type: nothing was disclosed."""


class RolesError(SharingError):
    """A roles file that is ill-formed, or that others than its owner may write to."""


class RequestRefused(SharingError):
    """A request of the law that may not be entered, approved or answered, or not by this person."""


class LedgerError(SharingError):
    """An ill-formed leaf, or an entry that is not there."""


class LedgerBroken(LedgerError):
    """Stored rows that contradict each other or what was signed."""


class BadProof(LedgerError):
    """A checkpoint, a receipt or a proof that is ill-formed, or signed by nobody who is trusted."""


class KeysError(SharingError):
    """A key, or a set of keys, that is not what it must be."""


class TokenError(SharingError):
    """A token or an acknowledgement that is not taken, or cannot be made: `reason` is one of a closed set of words.

    The message never quotes what was in it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DeliveryError(SharingError):
    """A delivery that cannot be made or changed as asked."""


class TransitionRefused(DeliveryError):
    """A state that the life cycle's table does not allow from where the disclosure is."""
