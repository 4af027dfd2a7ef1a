"""A broker as deploy/ configures it: TLS on every listener, SCRAM, and nothing allowed that no access list allows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from events.principals import ADMIN, KAFKA_PASSWORD
from events.security import Brokers, Security
from streams.secrets import make
from tests.harness.kafka import SMALL, Kafka
from tests.harness.waiting import free_port

DEPLOYED = Path(__file__).parents[2] / "deploy" / "kafka" / "server.properties"


class SecuredKafka(Kafka):
    """`brokers` is its clients' listener; `reached_by` says how a principal reaches it, `admin` the administrator."""

    start_timeout_s = 240.0  # some two minutes where others use the machine: TLS and Java on half a core

    def __init__(self, partners: Sequence[str], secrets: Path | None = None) -> None:
        super().__init__()
        self.secrets = secrets or self.folder / "secrets"
        if secrets is None:
            make(self.secrets, partners, datetime.now(UTC))
        self._admin_port = free_port()

    def reached_by(self, principal: str) -> Brokers:
        own = self.secrets / principal
        return Brokers(self.brokers, Security("SASL_SSL", own / "ca.pem", principal, own / KAFKA_PASSWORD))

    @property
    def admin(self) -> Brokers:
        own = self.secrets / ADMIN
        return Brokers(f"127.0.0.1:{self._admin_port}", Security("SSL", own / "ca.pem", certificate=own / "own.pem"))

    def properties(self) -> str:
        """The deployed file, with this machine's addresses and folders."""
        controller, own = free_port(), self.secrets / "kafka"
        hosts = {"CLIENTS": self.port, "ADMIN": self._admin_port, "CONTROLLER": controller}
        listeners = [f"{name}://127.0.0.1:{port}" for name, port in hosts.items()]
        here = {
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": ",".join(listeners),
            "advertised.listeners": ",".join(listeners[:2]),
            "ssl.keystore.location": str(own / "own.pem"),
            "ssl.truststore.location": str(own / "ca.pem"),
            "log.dirs": str(self.folder / "data"),
        }
        lines = DEPLOYED.read_text().splitlines()
        deployed = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        assert here.keys() <= deployed.keys()
        return "".join(f"{name}={value}\n" for name, value in (deployed | here).items()) + SMALL
