import redis

from tests.harness.server import Server, find_program
from tests.harness.waiting import free_port


class Redis(Server):
    """A Redis server as it runs in production: every write on disk before it is answered, nothing evicted.

    `url` is its address, `data` the folder with its append-only file: copied while the server is stopped, and put back
    later, it is a restored backup.
    """

    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.data = self.folder / "data"

    def prepare(self) -> None:
        self.data.mkdir()

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.data,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }
        program = find_program("redis-server", "redis-server")
        return [program, *(part for key, value in settings.items() for part in (f"--{key}", str(value)))]

    def is_ready(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False
