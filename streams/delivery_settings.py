"""Where the deliverer finds what it needs, and what it may do."""

from pathlib import Path

import msgspec

from sharing.contracts import FOLDER
from sharing.delivery.limits import Limits


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and paths, never a key.

    `keyring` need hold the purpose `ledger` alone; without the file no checkpoints go out. `loopback` lets a contract
    push to this machine, be signed by the demonstration's people, and the partners' endpoints be served on it without
    TLS: for demonstrations alone. `lease_s`: when another deliverer takes what one that died had claimed.
    """

    brokers: str = "127.0.0.1:9092"
    database: str = "sqlite:///var/amana.db"
    keyring: Path | None = None
    issuer: str = "https://amana.example"
    partners: Path = Path("var/partners")
    contracts: Path = FOLDER
    signers: Path | None = None
    instance: str = "0"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    per_minute: int = Limits().per_minute
    per_day: int = Limits().per_day
    lease_s: float = 60.0
    push_ca: Path | None = None
    loopback: bool = False
    host: str = "127.0.0.1"
    port: int = 8443
    jwks: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
