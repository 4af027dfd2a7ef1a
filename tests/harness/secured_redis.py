"""A Redis server as deploy/ configures it: TLS alone, and users with the commands that they need."""

from datetime import UTC, datetime
from pathlib import Path

import redis

from streams.secrets import REDIS_PASSWORD, USERS_FILE, make
from tests.harness.redis import Redis
from tests.harness.server import find_program

DEPLOYED = Path(__file__).parents[2] / "deploy" / "redis" / "redis.conf"


class SecuredRedis(Redis):
    """`url` is plaintext's, which it refuses; `reached_by` says how a user reaches it."""

    def __init__(self, secrets: Path | None = None) -> None:
        super().__init__()
        self.secrets = secrets or self.folder / "secrets"
        if secrets is None:
            make(self.secrets, (), datetime.now(UTC))

    def reached_by(self, user: str) -> str:
        own = self.secrets / user
        proof = f"ssl_ca_certs={own / 'ca.pem'}&password_file={own / REDIS_PASSWORD}"
        return f"rediss://{user}@127.0.0.1:{self.port}/0?{proof}"

    def command(self) -> list[str]:
        own = self.secrets / "redis"
        here = {
            "tls-port": self.port,
            "bind": "127.0.0.1 127.0.0.2",
            "dir": self.data,
            "tls-cert-file": own / "own.pem",
            "tls-key-file": own / "own.pem",
            "tls-ca-cert-file": own / "ca.pem",
            "aclfile": own / USERS_FILE,
        }
        program = find_program("redis-server", "redis-server")
        return [program, str(DEPLOYED), *(part for key, value in here.items() for part in (f"--{key}", str(value)))]

    def is_ready(self) -> bool:
        authority = str(self.secrets / "redis" / "ca.pem")
        with redis.Redis(
            "127.0.0.1", self.port, username="health", password="any", ssl=True, ssl_ca_certs=authority
        ) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False
