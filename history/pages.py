"""A page of a session's path."""

import msgspec


class Page(msgspec.Struct, frozen=True, array_like=True):
    """When (ms) which route template was visited, what it was answered, how long it was looked at (ms)."""

    at_ms: int
    route: str
    status: int | None = None
    duration_ms: int | None = None
