"""What can go wrong in sharing.

AmanaError
└── SharingError
    ├── ContractError     an ill-formed contract, or one that asks for more than a field's class allows: file and line
    ├── ProjectionError   a value that does not fit its contract's closed type; names the field, never the value
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


class LedgerError(SharingError):
    """An ill-formed leaf, or an entry that is not there."""


class LedgerBroken(LedgerError):
    """Stored rows that contradict each other or what was signed."""


class BadProof(LedgerError):
    """A checkpoint, a receipt or a proof that is ill-formed, or signed by nobody who is trusted."""
