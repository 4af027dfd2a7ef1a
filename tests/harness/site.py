"""A web application served on a free loopback port by a thread of the test's process."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from tests.harness.waiting import wait_until


class Site:
    """`with Site(app) as site`: `site.url` answers until the block ends."""

    def __init__(self, app: ASGIApp, make: Callable[..., uvicorn.Config] = uvicorn.Config, **settings: Any) -> None:
        config = make(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off", **settings)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="site", daemon=True)

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started, 20, "the site")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)
