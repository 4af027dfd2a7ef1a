"""Everything that goes wrong here.

VaultError
├── CertificatesError  a folder of certificates that is there already
├── KeyringError     a key file that is missing, unsafe or ill-formed, or a key that it does not hold
└── EnvelopeError    what does not open
    ├── Tampered     sealed bytes that were changed, or moved to another order or subject
    └── Erased       the subject's key is gone, and with it whatever was sealed under it

No message holds key material, plaintext or a subject's name.
"""


class VaultError(Exception):
    """Root of the vault's errors."""


class CertificatesError(VaultError):
    """Names the folder and what was expected of it."""


class KeyringError(VaultError):
    """Names the file and what was expected of it."""


class EnvelopeError(VaultError):
    """Root of what does not open."""


class Tampered(EnvelopeError):
    """The bytes do not belong to this key, order and label."""


class Erased(EnvelopeError):
    """Nobody can open it any more, by design."""
