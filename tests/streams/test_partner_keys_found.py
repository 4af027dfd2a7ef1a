"""Which file an assertion's claim of who it is leads to, before anything of it is verified."""

import json
from pathlib import Path

import pytest

from streams.bootstrap.deliverer import keys_of
from streams.delivery_settings import DeliverySettings
from tests.sharing.delivery.partners import Partner


@pytest.mark.parametrize("claimed", ["./acquirer", "../elsewhere/acquirer", "{folder}/elsewhere/acquirer", "Acquirer"])
def test_a_name_that_is_a_path_leads_to_no_keys(tmp_path: Path, claimed: str) -> None:
    for place in ("partners", "elsewhere"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "acquirer.json").write_text(json.dumps(Partner("acquirer").jwks))
    settings = DeliverySettings(partners=tmp_path / "partners")
    assert keys_of(settings, "acquirer") is not None
    assert keys_of(settings, claimed.format(folder=tmp_path)) is None
