"""Envelopes: AES-256-GCM (NIST SP 800-38D) under a key of their own, wrapped under their subject's key.

    keyring's "envelope" key, version v  ── wraps ──►  subject's key (random, in the caller's store)
    subject's key                        ── wraps ──►  data key (random, in the envelope)
    data key                             ── seals ──►  the plaintext

To erase a subject is to delete its key: every envelope sealed under it is noise from then on, in backups too. What is
sealed is bound to its order, its label, and the layout's version: moved elsewhere, it does not open. A wrapped subject
key is not bound to the subject's name, because names rotate; put under another name, it opens nothing that is there.
"""

from collections.abc import Mapping
from struct import pack, unpack_from
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.chain import framed
from vault.errors import EnvelopeError, Erased, Tampered
from vault.keyring import KEY_BYTES, Keyring, Random

LAYOUT = 1
NONCE_BYTES = 12
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16


class SubjectKeys(Protocol):
    """Where wrapped subject keys are kept: a table, or a dict in tests."""

    def get(self, subject: str) -> bytes | None:
        """The wrapped key, or None when there is none (any more)."""

    def put(self, subject: str, wrapped: bytes) -> bytes:
        """Keep it unless the subject has one already; give back the one that is kept, also when two put at once."""

    def delete(self, subject: str) -> None:
        """Erase it for good; no error when there is none."""


class Envelopes:
    """Seals and opens for subjects whose keys are in a store; keeps none, so an erased key is erased at once."""

    __slots__ = ("_keyring", "_newest", "_random", "_subjects")

    def __init__(self, keyring: Keyring, subjects: SubjectKeys, random: Random) -> None:
        self._keyring = keyring
        self._newest = len(keyring.keys("envelope"))
        self._subjects = subjects
        self._random = random

    def seal(self, subject: str, order_id: str, label: str, plaintext: bytes) -> bytes:
        """Seal for a subject, who gets a key where there is none. `label` says what it is: "order", "reason"."""
        subject_key = self._subject_key(subject) or self._new_subject_key(subject)
        data_key = self._random(KEY_BYTES)
        bound = _bound(order_id, label)
        return bytes([LAYOUT]) + self._encrypt(subject_key, data_key, bound) + self._encrypt(data_key, plaintext, bound)

    def open(
        self, subject: str, order_id: str, label: str, envelope: bytes, *, keys: Mapping[str, bytes] | None = None
    ) -> bytes:
        """The plaintext. `keys`: subjects' wrapped keys where the caller has read those of many envelopes at once.

        Raises Erased when the subject's key is gone, Tampered for any other bytes, order or label.
        """
        if len(envelope) < 1 + WRAPPED_BYTES + NONCE_BYTES + 16 or envelope[0] != LAYOUT:
            raise EnvelopeError(f"not an envelope of layout {LAYOUT}")
        wrapped = self._subjects.get(subject) if keys is None else keys.get(subject)
        if wrapped is None:
            raise Erased("the subject's key was erased")
        bound = _bound(order_id, label)
        data_key = _decrypt(self._unwrap(wrapped), envelope[1 : 1 + WRAPPED_BYTES], bound)
        return _decrypt(data_key, envelope[1 + WRAPPED_BYTES :], bound)

    def erase(self, subject: str) -> None:
        """Make everything that was sealed for the subject unreadable, for everybody and for good."""
        self._subjects.delete(subject)

    def _subject_key(self, subject: str) -> bytes | None:
        wrapped = self._subjects.get(subject)
        return None if wrapped is None else self._unwrap(wrapped)

    def _new_subject_key(self, subject: str) -> bytes:
        prefix = pack(">BH", LAYOUT, self._newest)
        wrapping_key = self._keyring.key("envelope", self._newest)
        wrapped = prefix + self._encrypt(wrapping_key, self._random(KEY_BYTES), prefix)
        return self._unwrap(self._subjects.put(subject, wrapped))

    def _unwrap(self, wrapped: bytes) -> bytes:
        if len(wrapped) != 3 + WRAPPED_BYTES or wrapped[0] != LAYOUT:
            raise EnvelopeError(f"not a wrapped subject key of layout {LAYOUT}")
        version: int = unpack_from(">H", wrapped, 1)[0]
        return _decrypt(self._keyring.key("envelope", version), wrapped[3:], wrapped[:3])

    def _encrypt(self, key: bytes, plaintext: bytes, bound: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plaintext, bound)

    def __repr__(self) -> str:
        return f"<Envelopes, newest version {self._newest}>"


def _bound(order_id: str, label: str) -> bytes:
    return bytes([LAYOUT]) + framed(order_id, label)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except InvalidTag:
        raise Tampered("sealed under another keyring, changed, or moved to another order, label or subject") from None
