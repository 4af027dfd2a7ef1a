"""A disk that takes no more, without one: files of this process may not grow."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_more_than(size_bytes: int) -> Iterator[None]:
    """A longer write raises OSError (EFBIG); Python ignores the signal that would come with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
