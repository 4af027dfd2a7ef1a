"""Contracts, signers and partners' keys that change while projector and deliverer run."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from history.database import make_engine
from sharing.contracts import FOLDER, Contract, load
from sharing.errors import ContractError
from sharing.signers import demo_key, sign
from sharing.standing import Agreed
from sharing.tokens.keys import thumbprint
from sharing.tokens.keyset import KeySet, published, signing_keys
from streams.agreements import check_none_gone
from streams.bootstrap import deliverer, projector
from streams.bootstrap.deliverer import Going
from streams.delivery_settings import DeliverySettings
from streams.metrics import Metrics
from streams.projector_settings import ProjectorSettings
from streams.renewed import EVERY_MS, Renewed
from tests.sharing.delivery.partners import Partner
from vault.keyring import Keyring

NOW_MS = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()) * 1000
DAY_MS = 86_400_000


class Premises:
    """A folder with the carrier's contract, its keys and ours; a clock that steps to the next look."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.contract = folder, folder / "contracts" / "carrier.yaml"
        self.clock = [NOW_MS]
        self.metrics = Metrics()
        self.contract.parent.mkdir()
        (folder / "partners").mkdir()
        shutil.copy(FOLDER / "carrier.yaml", self.contract)
        self.carrier = self.keys("carrier")
        self.keyring = Keyring.create(folder / "keyring.json", lambda count: b"k" * count)
        published(KeySet(), signing_keys(self.keyring), NOW_MS // 1000).write(folder / "jwks.json")

    def keys(self, name: str) -> Partner:
        partner = Partner(name)
        (self.folder / "partners" / f"{name}.json").write_bytes(msgspec.json.encode(partner.jwks))
        return partner

    def projector(self, engine: sa.Engine) -> Renewed[projector.Going]:
        folder = self.folder
        settings = ProjectorSettings(
            contracts=folder / "contracts", partners=folder / "partners", keyring=folder / "keyring.json",
            jwks=folder / "jwks.json", demo=True,
        )  # fmt: skip
        return projector.renewed(settings, engine, lambda: self.clock[0], self.metrics)

    def deliverer(self, check: Callable[[Any], None] = lambda _: None) -> Renewed[Going]:
        settings = DeliverySettings(
            contracts=self.folder / "contracts", partners=self.folder / "partners", loopback=True
        )
        return deliverer.renewed(settings, lambda: self.clock[0], self.metrics, check)

    def second(self, *, signed_by: tuple[str, ...] = ("noura", "faisal"), **changes: Any) -> Contract:
        """The carrier's next version, put in the place of the first."""
        past = self.contract.parent / "past"
        past.mkdir(exist_ok=True)
        first = load(past / "carrier-1.yaml") if (past / "carrier-1.yaml").exists() else load(self.contract)
        if not (past / "carrier-1.yaml").exists():
            shutil.copy(self.contract, past / "carrier-1.yaml")
        drawn = msgspec.structs.replace(first, version=2, signatures=(), **changes)
        signed = msgspec.structs.replace(
            drawn, signatures=tuple(sign(drawn, name, demo_key(name)) for name in signed_by)
        )
        self.contract.write_text(yaml.safe_dump(msgspec.to_builtins(signed), sort_keys=False))
        return signed

    def later(self, going: Renewed[Any], ms: int = EVERY_MS) -> Any:
        self.clock[0] += ms
        return going.look()

    @property
    def refused(self) -> float:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("amana_agreements_refused ")))


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    return Premises(tmp_path)


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return make_engine(f"sqlite:///{tmp_path}/amana.db")


def _versions(going: projector.Going) -> list[tuple[int, int]]:
    projections = going.projecting.projector.projections
    return [(each.contract.version, each.contract.retention_days) for each in projections]


def test_a_projector_takes_up_a_new_version_at_its_next_look_and_nothing_while_nothing_changes(
    premises: Premises, engine: sa.Engine
) -> None:
    going = premises.projector(engine)
    first, before = going.now, load(premises.contract)
    assert premises.later(going) is first
    second = premises.second(retention_days=20)
    assert premises.later(going, EVERY_MS - 1) is first
    with capture_logs() as logs:
        assert _versions(premises.later(going, 1)) == [(2, 20)]
    named = [
        f"carrier: {each.purpose}, version {each.version}, policy {each.policy_version}, hash {each.hash()[:32]}"
        for each in (before, second)
    ]
    assert [each.version for each in (before, second)] == [1, 2]
    assert logs == [{"event": "agreements.taken_up", "log_level": "info", "new": named[1:], "gone": named[:1]}]
    assert premises.later(going) is going.now


def test_a_version_that_is_not_signed_yet_leaves_the_old_one_in_force_is_logged_once_and_taken_up_when_it_is(
    premises: Premises, engine: sa.Engine
) -> None:
    going = premises.projector(engine)
    with capture_logs() as logs:
        premises.second(retention_days=40, signed_by=("noura",))
        assert _versions(premises.later(going)) == _versions(premises.later(going)) == [(1, 30)]
    assert [(each["event"], each["log_level"]) for each in logs] == [("agreements.refused", "error")]
    assert "tells more than the version before, so 2 people must have signed it; 1 did" in logs[0]["why"]
    assert premises.refused == 1
    premises.second(retention_days=40)
    assert _versions(premises.later(going)) == [(2, 40)]
    assert premises.refused == 0


def test_a_file_that_is_put_back_as_it_was_is_refused_no_more(premises: Premises, engine: sa.Engine) -> None:
    going, text = premises.projector(engine), premises.contract.read_text()
    premises.contract.write_text("partner: [")
    premises.later(going)
    assert premises.refused == 1
    premises.contract.write_text(text)
    premises.later(going)
    assert premises.refused == 0


def test_a_contract_on_its_way_to_the_past_is_not_lost(premises: Premises, engine: sa.Engine) -> None:
    going = premises.projector(engine)
    premises.keys("acquirer")
    shutil.copy(FOLDER / "acquirer.yaml", premises.contract.parent)
    premises.contract.rename(premises.folder / "moved")
    with capture_logs() as logs:
        assert _versions(premises.later(going)) == [(1, 30)]
    assert logs[0]["why"].startswith("carrier: no contract for dpv:")
    (premises.folder / "moved").rename(premises.contract)
    assert len(_versions(premises.later(going))) == 2


def test_a_version_begins_on_its_day_without_a_restart(premises: Premises, engine: sa.Engine) -> None:
    premises.second(valid_from=datetime(2026, 11, 27, tzinfo=UTC).date(), retention_days=20)
    going = premises.projector(engine)
    assert _versions(going.now) == [(1, 30)]
    assert _versions(premises.later(going, DAY_MS // 2 - 1)) == [(1, 30)]
    premises.clock[0] += 1
    assert _versions(premises.later(going)) == [(2, 20)]


def test_a_day_on_which_nothing_begins_says_that_nothing_is_new(premises: Premises) -> None:
    going = premises.deliverer()
    with capture_logs() as logs:
        premises.later(going, DAY_MS)
    assert logs == [{"event": "agreements.taken_up", "log_level": "info", "new": [], "gone": []}]


def test_whoever_may_sign_from_now_on_is_named_by_a_key_and_not_by_name(premises: Premises) -> None:
    people = {name: demo_key(name).public_key().public_bytes_raw() for name in ("noura", "faisal", "maha")}
    signers = premises.folder / "signers.yaml"

    def write(*names: str) -> None:
        lines = [
            {"name": each, "role": "of the demo", "key": base64.b64encode(people[each]).decode()} for each in names
        ]
        signers.write_text(yaml.safe_dump({"signers": lines}))

    write("noura", "faisal")
    settings = DeliverySettings(contracts=premises.contract.parent, signers=signers)
    going = deliverer.renewed(settings, lambda: premises.clock[0])
    write("noura", "faisal", "maha")
    with capture_logs() as logs:
        premises.later(going)
    key = thumbprint("Ed25519", base64.urlsafe_b64encode(people["maha"]).decode().rstrip("="))
    assert logs == [{"event": "agreements.taken_up", "log_level": "info", "new": [f"signers: key {key}"], "gone": []}]


def test_our_own_new_key_is_named_among_what_a_projector_takes_up(premises: Premises, engine: sa.Engine) -> None:
    going = premises.projector(engine)
    Keyring.rotate(premises.folder / "keyring.json", "token", lambda count: b"n" * count)
    with capture_logs() as logs:
        premises.later(going)
    newest = signing_keys(Keyring.load(premises.folder / "keyring.json"))[-1].kid
    assert [(each["new"], each["gone"]) for each in logs] == [([f"ours: key {newest}"], [])]


def test_a_partners_new_key_is_sealed_to_and_half_of_one_is_not(premises: Premises, engine: sa.Engine) -> None:
    going = premises.projector(engine)
    before = going.now.sealer
    key = premises.folder / "partners" / "carrier.json"
    body = key.read_bytes()
    key.write_bytes(body[: len(body) // 2])
    assert premises.later(going).sealer is before
    new = premises.keys("carrier")
    with capture_logs() as logs:
        premises.later(going)
    assert [(each["event"], each["new"], each["gone"]) for each in logs] == [
        (
            "agreements.taken_up",
            [f"carrier: key {each}" for each in new.keys.thumbprints()],
            [f"carrier: key {each}" for each in premises.carrier.keys.thumbprints()],
        )
    ]
    for sealer in (premises.later(going).sealer, going.now.projecting.projector._sealer):  # for notices, for cases
        sealed = sealer.seal("carrier", "j" * 22, "s" * 22, "urn:told", b'{"jti":"%s"}' % (b"j" * 22), NOW_MS)
        header = json.loads(base64.urlsafe_b64decode(sealed.partition(b".")[0] + b"=="))
        assert header["kid"] == new.keys.recipient_kid


def test_a_deliverer_takes_up_a_new_url_and_not_one_that_nobody_has_signed(premises: Premises) -> None:
    going = premises.deliverer()
    assert going.now.urls == {}
    premises.second(push_url="https://carrier.example/events", signed_by=("noura",))
    assert premises.later(going).urls == {}
    second = premises.second(push_url="https://carrier.example/events")
    assert premises.later(going).urls == {"carrier": "https://carrier.example/events"}
    assert [each.hash() for each in going.now.agreed.contracts] == [second.hash()]


def test_a_new_partner_without_its_topics_waits_for_them(premises: Premises) -> None:
    missing = [True]

    def check(_: object) -> None:
        if missing[0]:
            raise ContractError("no topic share.acquirer.v1")

    going = premises.deliverer(check)
    shutil.copy(FOLDER / "acquirer.yaml", premises.contract.parent)
    assert premises.later(going).agreed.partners == ["carrier"]
    missing[0] = False
    assert premises.later(going).agreed.partners == ["acquirer", "carrier"]


def test_no_contract_is_missed_that_another_takes_the_place_of() -> None:
    carrier = load(FOLDER / "carrier.yaml")
    check_none_gone(Agreed([carrier]), Agreed([msgspec.structs.replace(carrier, version=2)]))
    with pytest.raises(ContractError, match="carrier: no contract for"):
        check_none_gone(Agreed([carrier]), Agreed([load(FOLDER / "acquirer.yaml")]))


@pytest.mark.timeout(60)
def test_a_pipe_among_contracts_or_keys_is_refused_and_hangs_nothing(premises: Premises, engine: sa.Engine) -> None:
    going = premises.projector(engine)
    for name in ("contracts/pipe.yaml", "partners/pipe.json"):
        os.mkfifo(premises.folder / name)
        with capture_logs() as logs:
            assert _versions(premises.later(going)) == [(1, 30)]
        assert f"{name}: not a regular file" in logs[0]["why"]
        (premises.folder / name).unlink()
    premises.later(going)
    assert premises.refused == 0


def test_a_projector_goes_on_sealing_to_a_partner_whose_file_is_gone(premises: Premises, engine: sa.Engine) -> None:
    going = premises.projector(engine)
    (premises.folder / "partners" / "carrier.json").unlink()
    with capture_logs() as logs:
        assert list(premises.later(going).keys) == ["carrier"]
    assert logs[0]["why"].startswith("carrier.json is gone; ")
