"""Processes of delivery as they run, on signed contracts and partners' keys in a folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa
import yaml

from sharing.contracts import FOLDER, load
from sharing.delivery import registrations
from sharing.delivery.streams import PUSH, Kept, Stream
from sharing.signers import demo_key, sign
from tests.harness import free_port, wait_until
from tests.sharing.delivery.partners import Partner

ROOT = Path(__file__).parents[2]
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Premises:
    """`deliverer` and `api` start the processes; `close` kills what still runs."""

    def __init__(self, folder: Path, database: str, partners: dict[str, str | None]) -> None:
        """`partners`: names, each with the URL that it is pushed to, if any."""
        self.folder = folder
        self.database = database
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.partners = {name: Partner(name) for name in partners}
        self.keyring = folder / "keyring.json"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "contracts").mkdir()
        (folder / "partners").mkdir()
        for name, url in partners.items():
            (folder / "contracts" / f"{name}.yaml").write_text(contract_text(name, url))
            (folder / "partners" / f"{name}.json").write_bytes(msgspec.json.encode(self.partners[name].jwks))

    def options(self) -> list[str]:
        folder = self.folder
        return [
            "--database", self.database, "--issuer", self.issuer, "--contracts", str(folder / "contracts"),
            "--partners", str(folder / "partners"), "--demo", "--per-minute", "60000",
        ]  # fmt: skip

    def deliverer(self, brokers: str, *more: str) -> None:
        self.start("deliverer", "--brokers", brokers, *self.options(), *more)

    def api(self, *more: str) -> None:
        """Returns when it answers."""
        self.start("partner-api", *self.options(), "--port", str(self.port), *more)
        wait_until(self._answers, 60, f"the endpoints to answer, see {self.log('partner-api')}")

    def push(self, engine: sa.Engine, partner: str) -> None:
        """Have that partner's stream pushed, as its own request would."""
        with engine.begin() as connection:
            registrations.add(connection, Stream(partner.ljust(22, "-"), partner, Kept(PUSH)))

    def start(self, command: str, *options: str) -> None:
        with self.log(command).open("ab") as log:
            line = [sys.executable, "-m", "streams.cli", command, *options]
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
            self._running[command] = subprocess.Popen(line, cwd=self.folder, stderr=log, stdout=log, env=environment)

    def kill(self, command: str) -> None:
        process = self._running.pop(command)
        process.kill()
        process.wait()

    def is_running(self, command: str) -> bool:
        return command in self._running and self._running[command].poll() is None

    def close(self) -> None:
        for command in list(self._running):
            self.kill(command)

    def log(self, command: str) -> Path:
        return self.folder / f"{command}.log"

    def _answers(self) -> bool:
        assert self.is_running("partner-api"), self.log("partner-api").read_text()
        try:
            return httpx2.get(f"{self.issuer}/jwks.json", trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False


def contract_text(partner: str, push_url: str | None) -> str:
    """The acquirer's contract in the name of another partner, signed by the demonstration's people."""
    drawn = msgspec.structs.replace(load(FOLDER / "acquirer.yaml"), partner=partner, push_url=push_url, signatures=())
    signatures = tuple(sign(drawn, name, demo_key(name)) for name in ("noura", "faisal"))
    plain: Any = msgspec.to_builtins(msgspec.structs.replace(drawn, signatures=signatures))
    return yaml.safe_dump(plain, sort_keys=False)
