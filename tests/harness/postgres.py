import os
import pwd
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from tests.harness.server import MissingServer, Server
from tests.harness.waiting import free_port


class Postgres(Server):
    """A PostgreSQL server whose writes may be lost with the machine (no fsync): for tests alone.

    `url` is for SQLAlchemy; `create_database` gives a fresh database's URL.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown: does not wait for clients to leave

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.user = _unprivileged_user()
        self.data = self.folder / "data"
        self.url = self._url("postgres")

    def prepare(self) -> None:
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        options = ["--username=amana", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", *self.initial()]
        subprocess.run(
            [_program("initdb"), f"--pgdata={self.data}", *options],
            check=True,
            cwd=self.folder,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
            capture_output=True,
        )

    def initial(self) -> list[str]:
        """How its first user proves who it is."""
        return ["--auth=trust"]

    def settings(self) -> dict[str, object]:
        own = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        return own | dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")

    def command(self) -> list[str]:
        settings = (f"--{key}={value}" for key, value in self.settings().items())
        return [_program("postgres"), "-D", str(self.data), *settings]

    def is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str, copy_of: str = "template1") -> str:
        """Create a database, empty or a copy of one that nobody is connected to, and return its SQLAlchemy URL."""
        names = (sql.Identifier(name), sql.Identifier(copy_of))
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True, connect_timeout=5)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://amana@127.0.0.1:{self.port}/{database}"


def _program(name: str) -> str:
    """Debian keeps PostgreSQL's server programs off the path, a folder a version: the newest is taken."""
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise MissingServer(f"{name} is not installed; on Debian or Ubuntu: apt-get install postgresql")
    return str(newest)


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    accounts = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in accounts else "nobody"
