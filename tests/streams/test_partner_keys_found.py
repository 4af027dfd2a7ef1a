"""Which keys a partner's assertion and acknowledgement are held against, while the key files change."""

import json
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sharing.errors import KeysError
from streams.bootstrap.deliverer import Keys, keys, keys_of
from streams.delivery_settings import DeliverySettings
from streams.renewed import EVERY_MS
from tests.sharing.delivery.partners import Partner


class Premises:
    """A folder with two partners' sets; a clock that steps to the next look."""

    def __init__(self, folder: Path) -> None:
        self.partners = folder / "partners"
        self.partners.mkdir()
        self.acquirer, self.successor = self.put("acquirer"), self.put("successor")
        self.now_ms = 0
        self.held: Keys = keys(DeliverySettings(partners=self.partners), lambda: self.now_ms)

    def put(self, name: str) -> Partner:
        made = Partner(name)
        (self.partners / f"{name}.json").write_text(json.dumps(made.jwks))
        return made

    def signers(self, name: str) -> list[str]:
        """By which the partner is believed at the next look."""
        self.now_ms += EVERY_MS
        found = keys_of(self.held, name)
        return [] if found is None else list(found.signers)


@pytest.fixture
def premises(tmp_path: Path) -> Premises:
    return Premises(tmp_path)


@pytest.mark.parametrize("claimed", ["./acquirer", "../elsewhere/acquirer", "{folder}/elsewhere/acquirer", "Acquirer"])
def test_a_name_that_is_a_path_leads_to_no_keys(premises: Premises, tmp_path: Path, claimed: str) -> None:
    shutil.copytree(premises.partners, tmp_path / "elsewhere")
    assert premises.signers("acquirer") == [premises.acquirer.key.kid]
    assert premises.signers(claimed.format(folder=tmp_path)) == []


def test_a_partner_whose_file_is_anothers_copy_is_believed_by_its_own_keys_alone(premises: Premises) -> None:
    shutil.copy(premises.partners / "successor.json", premises.partners / "acquirer.json")
    with capture_logs() as logs:
        assert premises.signers("acquirer") == [premises.acquirer.key.kid]
        assert premises.signers("successor") == [premises.successor.key.kid]
    assert [each["event"] for each in logs] == ["keys.refused"]
    assert 'acquirer.json: `partner` names another; expected "partner": "acquirer"' in logs[0]["why"]


def test_a_file_that_is_half_written_or_gone_leaves_the_keys_that_were_there(premises: Premises) -> None:
    path = premises.partners / "acquirer.json"
    body = path.read_text()
    path.write_text(body[: len(body) // 2])
    assert premises.signers("acquirer") == [premises.acquirer.key.kid]
    path.unlink()
    with capture_logs() as logs:
        assert premises.signers("acquirer") == [premises.acquirer.key.kid]
    assert logs[0]["why"] == "acquirer.json is gone; its keys hold until another set is there, or to a restart"
    new = premises.put("acquirer")
    with capture_logs() as logs:
        assert premises.signers("acquirer") == [new.key.kid]
    named = [[f"acquirer: key {each}" for each in of.keys.thumbprints()] for of in (new, premises.acquirer)]
    assert logs == [{"event": "keys.taken_up", "log_level": "info", "new": named[0], "gone": named[1]}]


def test_a_folder_that_is_gone_is_not_taken_up(premises: Premises) -> None:
    premises.partners.rename(premises.partners.with_name("moved"))
    with capture_logs() as logs:
        assert premises.signers("acquirer") == [premises.acquirer.key.kid]
    assert [each["event"] for each in logs] == ["keys.refused"]
    assert "no such folder; expected partners' JWK sets" in logs[0]["why"]


def test_without_a_folder_nothing_begins(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="no such folder"):
        keys(DeliverySettings(partners=tmp_path / "partners"), lambda: 0)
