"""Where everything is: one frozen struct, filled from the command's options and the AMANA_* environment."""

from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Holds addresses and paths, never a key: the keyring is a file that only its owner can read."""

    brokers: str = "127.0.0.1:9092"
    redis: str = "redis://127.0.0.1:6379/0"
    shards: int = 1
    database: str = "sqlite:///var/amana.db"
    keyring: Path = Path("var/keyring.json")
    models: Path = Path("var/models")
    models_key: Path | None = None  # beside the folder of models
    rules: Path | None = None
    instance: str = "0"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    accept_gap: bool = False
    purge_after: float = 60.0
    review_at: float | None = None
    block_at: float | None = None
    deadline: float = 2.0
    review_from: float = 300.0
