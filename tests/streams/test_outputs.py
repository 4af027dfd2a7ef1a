import os
from pathlib import Path

import pytest

from streams.outputs import whole
from tests.sharing.full_disk import no_more_than


def _write(path: Path, data: bytes) -> None:
    with whole(path) as file:
        file.write(data)


def test_a_file_is_there_with_all_that_was_written(tmp_path: Path) -> None:
    _write(tmp_path / "out", b"all")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"all")]


@pytest.mark.parametrize("before", [None, b"before"])
def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "out"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(OSError, match="File too large") as full, no_more_than(10):
        _write(path, b"more than ten bytes")
    assert full.value.filename == str(path)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if before is None else [before])


def test_whatever_else_fails_meanwhile_leaves_no_file_either(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole(tmp_path / "out") as file:
        raise KeyError(file.write(b"a piece"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_bytes(b"before")
    path.chmod(0o600)
    link.symlink_to(path)
    _write(link, b"after")
    assert (link.is_symlink(), path.read_bytes(), path.stat().st_mode & 0o777) == (True, b"after", 0o600)


def test_a_device_is_written_to(tmp_path: Path) -> None:
    _write(Path(os.devnull), b"gone")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_device_that_is_full_is_named(size: int) -> None:
    with pytest.raises(OSError, match="No space left on device") as full:
        _write(Path("/dev/full"), b"x" * size)
    assert full.value.filename == "/dev/full"


def test_a_folder_that_is_not_there_is_named_by_the_files_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        _write(tmp_path / "missing" / "out", b"x")
    assert missing.value.filename == str(tmp_path / "missing" / "out")
