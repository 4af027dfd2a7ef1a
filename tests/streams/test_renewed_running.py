"""A deliverer and a projector as they run, while a contract is replaced under them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
import yaml

from events import admin
from events.topics import share_specs
from history.database import make_engine, migrate
from sharing.contracts import load
from sharing.database import LOCK, MIGRATIONS
from sharing.signers import demo_key, sign
from sharing.tokens.keyset import KeySet, published, signing_keys
from streams.bootstrap import now_ms
from tests.harness import Kafka, free_port, wait_until
from tests.sharing.delivery.fakes import Desktop
from tests.streams.delivering import Premises
from vault.keyring import Keyring

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def premises(kafka: Kafka, tmp_path: Path) -> Iterator[Premises]:
    made = Premises(tmp_path, f"sqlite:///{tmp_path}/amana.db", {"renewed": None})
    client = admin.connect(kafka.brokers)
    admin.create_topics(client, 1, specs=share_specs("renewed"))
    client.close()
    yield made
    made.close()


def _logged(premises: Premises, command: str, words: str) -> bool:
    assert premises.is_running(command), premises.log(command).read_text()
    return words in premises.log(command).read_text()


def _refused(port: int) -> float | None:
    """What the projector's metrics say; None before it serves any."""
    try:
        text = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    except httpx2.HTTPError:
        return None
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("amana_agreements_refused ")))


def _replace(premises: Premises, *signed_by: str) -> None:
    """The second version: one that keeps what it tells shorter, and so needs one signature."""
    path = premises.folder / "contracts" / "renewed.yaml"
    past = path.parent / "past" / "renewed-1.yaml"
    if not past.exists():
        past.parent.mkdir()
        shutil.copy(path, past)
    drawn = msgspec.structs.replace(load(past), version=2, retention_days=5, signatures=())
    signed = msgspec.structs.replace(drawn, signatures=tuple(sign(drawn, name, demo_key(name)) for name in signed_by))
    path.write_text(yaml.safe_dump(msgspec.to_builtins(signed), sort_keys=False))


def test_a_projector_takes_a_signed_version_up_and_goes_on_by_the_old_one_until_then(premises: Premises) -> None:
    keyring = Keyring.create(premises.keyring, os.urandom)
    published(KeySet(), signing_keys(keyring), now_ms() // 1000).write(premises.folder / "jwks.json")
    options = ["--keyring", str(premises.keyring), "--jwks", str(premises.folder / "jwks.json"), "--demo"]
    folders = [f"--{name}={premises.folder / name}" for name in ("contracts", "partners")]
    port = free_port()
    premises.start("projector", "--database", premises.database, "--metrics-port", str(port), *options, *folders)
    wait_until(lambda: _refused(port) == 0, 60, "the projector to begin")
    _replace(premises)
    wait_until(lambda: _logged(premises, "projector", "agreements.refused"), 60, "the refusal")
    assert _refused(port) == 1
    _replace(premises, "maha")
    wait_until(lambda: _logged(premises, "projector", "agreements.taken_up"), 60, "the new version")


def test_a_deliverer_goes_on_delivering_when_a_contract_was_replaced(premises: Premises, kafka: Kafka) -> None:
    engine = make_engine(premises.database)
    migrate(engine, MIGRATIONS, LOCK)
    desktop = Desktop(engine)
    premises.deliverer(kafka.brokers)
    desktop.tell(1, "renewed", now_ms=now_ms())
    wait_until(lambda: desktop.state(1) == "delivered", 90, f"delivery, see {premises.log('deliverer')}")
    _replace(premises, "maha")
    wait_until(lambda: _logged(premises, "deliverer", "agreements.taken_up"), 90, "the new version")
    desktop.tell(2, "renewed", now_ms=now_ms())
    wait_until(lambda: desktop.state(2) == "delivered", 60, "delivery after it")
    engine.dispose()
