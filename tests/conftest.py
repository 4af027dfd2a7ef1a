"""What holds for every test: the servers, and logs that no test before it has configured."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.servers"]


@pytest.fixture(scope="session", autouse=True)
def _no_logger_is_kept() -> Iterator[None]:
    """A command that runs in this process configures the logs; a logger kept by then would keep that for ever."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            structlog, "configure", lambda **named: configure(**named | {"cache_logger_on_first_use": False})
        )
        yield


@pytest.fixture(autouse=True)
def _logs_as_they_come(_no_logger_is_kept: None) -> None:
    structlog.reset_defaults()
