"""A PostgreSQL server as deploy/ configures it: TLS and SCRAM, and nobody in plain."""

import pwd
import shutil
from datetime import UTC, datetime
from pathlib import Path

from streams.secrets import OWNER, PASSFILE, POSTGRES_PASSWORD, make
from tests.harness.postgres import Postgres

DEPLOYED = Path(__file__).parents[2] / "deploy" / "postgres"


class SecuredPostgres(Postgres):
    """`url` is its owner's; `reached_by` says how a role reaches a database. `secrets`: by `amana certs dev`."""

    start_timeout_s = 120.0

    def __init__(self, secrets: Path | None = None) -> None:
        super().__init__()
        self.secrets = secrets or self.folder / "secrets"
        if secrets is None:
            make(self.secrets, (), datetime.now(UTC))
        self.url = self._url("postgres")

    def reached_by(self, role: str, url: str) -> str:
        """That database's address, for a role that proves itself."""
        database = url.partition("?")[0].rpartition("/")[2]
        own = self.secrets / role
        proof = f"sslmode=verify-full&sslrootcert={own / 'ca.pem'}&passfile={own / PASSFILE}"
        return f"postgresql+psycopg://{role}@127.0.0.1:{self.port}/{database}?{proof}"

    def prepare(self) -> None:
        for path in (self.secrets / "postgres" / "own.pem", self.secrets / "postgres" / POSTGRES_PASSWORD):
            self._own(path)
        for path in DEPLOYED.iterdir():
            self._own(path)
        super().prepare()

    def initial(self) -> list[str]:
        return ["--auth=scram-sha-256", f"--pwfile={self.folder / POSTGRES_PASSWORD}"]

    def settings(self) -> dict[str, object]:
        own = {"ssl_cert_file": self.folder / "own.pem", "ssl_key_file": self.folder / "own.pem"}
        files = {"config_file": self.folder / "postgresql.conf", "hba_file": self.folder / "pg_hba.conf"}
        return super().settings() | own | files

    def _own(self, path: Path) -> None:
        """A copy that only the server's account can read."""
        copy = Path(shutil.copy(path, self.folder))
        copy.chmod(0o600)
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            shutil.chown(copy, account.pw_uid, account.pw_gid)

    def _url(self, database: str) -> str:
        return self.reached_by(OWNER, database) if hasattr(self, "secrets") else super()._url(database)
