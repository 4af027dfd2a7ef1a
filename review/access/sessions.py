"""Sessions: a random token in the browser's cookie, its hash in the database, and when it ends.

As OWASP's session management cheat sheet asks: 256 bits, a new token at every sign-in and every hour after, an end
after a while unused and after a working day in any case.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable

import msgspec

IDLE_MS = 30 * 60_000
LONGEST_MS = 12 * 3_600_000
ROTATE_MS = 3_600_000
TOUCH_MS = 60_000  # how exactly the last use is kept: a write for every request would say no more
GRACE_MS = 30_000  # how long the token before a rotation still counts, for requests that were under way

Random = Callable[[int], bytes]  # os.urandom


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the token's hash; `began_ms` of the sign-in, `issued_ms` of this token, `ends_ms` if it was replaced."""

    key: str
    username: str
    began_ms: int
    issued_ms: int
    used_ms: int
    ends_ms: int | None = None


def new_token(random: Random) -> str:
    return urlsafe_b64encode(random(32)).rstrip(b"=").decode()


def key_of(token: str) -> str:
    """What the store knows a token by: who reads the store cannot sign in with it."""
    return hashlib.sha256(b"session\0" + token.encode()).hexdigest()


def csrf_of(token: str) -> str:
    """What a form must bring back: made from the cookie, which another site cannot read."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def begun(token: str, username: str, now_ms: int) -> Session:
    return Session(key=key_of(token), username=username, began_ms=now_ms, issued_ms=now_ms, used_ms=now_ms)


def alive(session: Session, now_ms: int) -> bool:
    if session.ends_ms is not None and now_ms >= session.ends_ms:
        return False
    return now_ms - session.used_ms < IDLE_MS and now_ms - session.began_ms < LONGEST_MS


def must_rotate(session: Session, now_ms: int) -> bool:
    return session.ends_ms is None and now_ms - session.issued_ms >= ROTATE_MS


def rotated(session: Session, token: str, now_ms: int) -> Session:
    """The same sign-in under a new token."""
    return msgspec.structs.replace(session, key=key_of(token), issued_ms=now_ms, used_ms=now_ms)
