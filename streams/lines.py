"""JSON lines files in one folder: what the topics hold where there is no broker."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


class Lines:
    """Files are opened when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def write(self, name: str, bodies: Iterable[bytes]) -> None:
        file = self._files.get(name) or self._open(name)
        file.writelines(body + b"\n" for body in bodies)

    def _open(self, name: str) -> BinaryIO:
        file = self._files[name] = (self._folder / f"{name}.jsonl").open("ab")
        return file

    def flush(self) -> None:
        """So that whoever reads the files finds all that was written."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
