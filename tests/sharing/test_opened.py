"""What stands where a contract or a partner's key set is expected, and is no file."""

import os
from pathlib import Path

import pytest

from sharing.contracts import load
from sharing.errors import ContractError, KeysError
from sharing.opened import opened
from sharing.tokens.keys import load_partners

pytestmark = pytest.mark.timeout(20)  # a pipe that is waited for is waited for until someone writes to it


def test_a_files_bytes_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    with opened(tmp_path / "file") as file:
        assert file.read() == b"text"


def test_a_pipe_that_is_named_like_a_contract_or_a_key_set_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "carrier.yaml")
    with pytest.raises(ContractError, match=r"carrier.yaml: not a regular file$"):
        load(tmp_path / "carrier.yaml")
    os.mkfifo(tmp_path / "carrier.json")
    with pytest.raises(KeysError, match=r"carrier.json: not a regular file; expected a partner's JWK set$"):
        load_partners(tmp_path)


def test_a_folder_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r": Is a directory$"):
        load(tmp_path)
    with pytest.raises(ContractError, match=r"/dev/zero: not a regular file$"):
        load(Path("/dev/zero"))
