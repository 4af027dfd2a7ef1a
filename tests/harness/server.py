"""One server process in a folder of its own."""

import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.waiting import wait_until

_SHOWN_LOG_LINES = 30


class MissingServer(Exception):
    """A program that the harness needs is not installed; the message says how to install it."""


class ServerFailed(Exception):
    """A server did not come up; the message has the end of its log."""


class Held(ABC):
    """What `with` opens, and closes however it ends, also where it could not be opened."""

    @abstractmethod
    def open(self) -> None:
        """Make it ready for use."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing of it; called on a half opened one too."""

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Server(Held):
    """A server process: `with` starts it and at the end removes the process and its folder.

    Tests that stop or kill a server use one of their own, not the session's.
    """

    name: str
    stop_signal = signal.SIGTERM
    start_timeout_s = 60.0
    user: str | None = None  # the account that the process runs as; None: ours

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"amana-{self.name}-"))
        self.log = self.folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._leash: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers its clients."""

    @abstractmethod
    def prepare(self) -> None:
        """Write configuration and data before the first start."""

    def start(self) -> None:
        """Start the process and return when it answers. Called again after `stop` or `kill`: same port, same data.

        Raises:
            ServerFailed: it exited, or did not answer in time.
        """
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                start_new_session=True,  # an interrupt from the keyboard is for the test run, which stops its servers
            )
        self._leash = _leash(self.process.pid, self.folder)
        try:
            wait_until(lambda: not self.is_running or self.is_ready(), self.start_timeout_s, f"{self.name} to answer")
        except TimeoutError as late:
            self.kill()
            raise ServerFailed(self._describe(str(late))) from late
        if not self.is_running:
            raise ServerFailed(self._describe(f"{self.name} ended with exit code {self.process.returncode}"))

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ServerFailed(f"{self.name} was not started")
        return self.process.pid

    def stop(self) -> None:
        """End the process as an operator would, by force after half a minute, and wait for it."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """SIGKILL, and wait for the process to be gone."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._leash is not None:
            self._leash.kill()
            self._leash.communicate()
            self._leash = None

    def close(self) -> None:
        """Remove the process and everything it wrote."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self) -> None:
        self.prepare()
        self.start()

    def _describe(self, problem: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:] if self.log.exists() else []
        return "\n".join([problem, f"the end of {self.log}:", *lines])


def find_program(name: str, package: str) -> str:
    """The path of an installed program.

    Raises:
        MissingServer: it is not on the path; the message names the Debian `package` that has it.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingServer(f"{name} is not installed; on Debian or Ubuntu: apt-get install {package}")
    return path


def _leash(pid: int, folder: Path) -> subprocess.Popen[bytes]:
    """A shell that waits for this process to end, however it ends, and then removes the server and its folder."""
    script = 'read _; kill -s KILL -- "-$1"; rm -rf -- "$2"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "leash", str(pid), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
