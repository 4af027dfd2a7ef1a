"""Databases whose tables were made once: each test has a copy, which takes a fifth of what migrating them does."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from history.database import make_engine
from tests.harness.postgres import Postgres

Migrate = Callable[[sa.Engine], None]
Migrated = Callable[[str, Migrate], sa.Engine]


class Patterns:
    """`folder` keeps those of SQLite; those of PostgreSQL are databases of the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Migrate, Path] = {}
        self._databases: dict[Migrate, str] = {}

    @contextmanager
    def sqlite(self, file: Path, migrate: Migrate) -> Iterator[sa.Engine]:
        if migrate not in self._files:
            pattern = self._folder / f"{len(self._files)}.db"
            _make(f"sqlite:///{pattern}", migrate)
            self._files[migrate] = pattern
        shutil.copyfile(self._files[migrate], file)
        engine = make_engine(f"sqlite:///{file}")
        yield engine
        engine.dispose()

    @contextmanager
    def postgresql(self, server: Postgres, migrate: Migrate) -> Iterator[sa.Engine]:
        if migrate not in self._databases:
            pattern = f"pattern_{len(self._databases)}"
            _make(server.create_database(pattern), migrate)
            self._databases[migrate] = pattern
        name = f"test_{uuid.uuid4().hex}"
        engine = make_engine(server.create_database(name, copy_of=self._databases[migrate]))
        yield engine
        engine.dispose()
        server.drop_database(name)


def _make(url: str, migrate: Migrate) -> None:
    """The last connection to go leaves SQLite's file whole, and PostgreSQL's free to be copied."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
