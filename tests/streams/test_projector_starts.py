"""What a projector that cannot work leaves behind: no database."""

import os
import subprocess
import sys
from pathlib import Path

from vault.keyring import Keyring

ROOT = Path(__file__).parents[2]


def started(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "streams.cli", "projector", "--database", f"sqlite:///{folder}/amana.db", *options]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False)


def test_a_projector_without_its_keys_makes_no_database(tmp_path: Path) -> None:
    ended = started(tmp_path, "--demo", "--keyring", "missing.json")
    assert ended.returncode == 1
    assert "missing.json" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_projector_whose_contracts_nobody_it_knows_has_signed_makes_none_either(tmp_path: Path) -> None:
    Keyring.create(tmp_path / "keyring.json", lambda count: b"k" * count)
    ended = started(tmp_path, "--keyring", "keyring.json")
    assert ended.returncode == 1
    assert "acquirer.yaml: signed by noura with a key for demonstrations" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["keyring.json"]
