"""Where the projector finds what it needs."""

from pathlib import Path

import msgspec

from sharing.contracts import FOLDER


class ProjectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and paths, never a key.

    `keyring` holds the purposes disclosure, partner, token, envelope and blind_index. `jwks` is the published set: it
    says which of our keys signs. With `brokers` the labels that partners' reports become are published.
    `demo`: contracts signed by made-up people count. `retry`: what could not be told before is tried again first.
    """

    database: str = "sqlite:///var/amana.db"
    keyring: Path = Path("var/keyring.json")
    issuer: str = "https://amana.example"
    partners: Path = Path("var/partners")
    contracts: Path = FOLDER
    signers: Path | None = None
    demo: bool = False
    jwks: Path = Path("var/jwks.json")
    retry: bool = False
    brokers: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
