"""An output folder is one run's alone, and a demo removes nothing but a demo."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from streams.folders import DEMO, FACTS, Occupied, claimed, clear_demo

HOLDS = """
import sys
from pathlib import Path
from streams.folders import claimed
with claimed(Path(sys.argv[1])):
    print("holds it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Another process that runs in tmp_path / "out"."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "out")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"holds it\n"
    return other


def stop(other: "subprocess.Popen[bytes]") -> None:
    other.kill()
    other.communicate()


def test_of_two_runs_that_begin_together_one_gets_the_folder(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(Occupied, match="another run is writing to"), claimed(tmp_path):
        pass
    assert (tmp_path / FACTS).exists()


def test_a_folder_in_use_is_told_from_one_that_was_used(tmp_path: Path, holder: "subprocess.Popen[bytes]") -> None:
    out = tmp_path / "out"
    try:
        with pytest.raises(Occupied, match=r"another run is writing to .*; wait for its end"), claimed(out):
            pass
    finally:
        stop(holder)
    with pytest.raises(Occupied, match="holds another run; give a new folder, or remove it"), claimed(out):
        pass


def test_a_run_that_fails_before_it_wrote_anything_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), claimed(tmp_path):
        raise KeyError
    with claimed(tmp_path):
        pass


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as full, claimed(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(tmp_path)


@pytest.mark.parametrize("name", [FACTS, "quarantine.jsonl"])
def test_a_run_that_fails_later_keeps_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError), claimed(tmp_path):
        (tmp_path / name).write_text("{}\n") and (tmp_path / "missing").stat()
    with pytest.raises(Occupied), claimed(tmp_path):
        pass


def test_a_demo_is_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        clear_demo(tmp_path)
        assert list(tmp_path.iterdir()) == [tmp_path / DEMO]
        for name in (FACTS, "amana.db-wal", "share.acquirer.v1.jsonl"):
            (tmp_path / name).touch()
        (tmp_path / "models").mkdir()


def test_a_demo_leaves_a_run_of_ones_own_events_as_it_is(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (tmp_path / FACTS).write_text("{}\n")
    with pytest.raises(Occupied, match="holds something else"):
        clear_demo(tmp_path)
    assert (tmp_path / FACTS).read_text() == "{}\n"


def test_a_demo_leaves_what_was_put_into_its_folder_and_names_it(tmp_path: Path) -> None:
    clear_demo(tmp_path)
    (tmp_path / "my-events.jsonl").touch()
    with pytest.raises(Occupied, match=r"holds my-events\.jsonl, which no demo made"):
        clear_demo(tmp_path)
    assert (tmp_path / "my-events.jsonl").exists()


def test_a_demo_that_is_running_is_left_alone(tmp_path: Path, holder: "subprocess.Popen[bytes]") -> None:
    out = tmp_path / "out"
    (out / DEMO).touch()
    try:
        with pytest.raises(Occupied, match="another run is writing to"):
            clear_demo(out)
    finally:
        stop(holder)
    assert (out / FACTS).exists()
    clear_demo(out)
    assert list(out.iterdir()) == [out / DEMO]
