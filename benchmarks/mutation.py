"""How many small changes to operators, compiler and guard the tests notice.

Each mutant runs in a process of its own, forked from one that has imported what does not change: its module is read
from the changed source, then the module's tests run until the first fails. No tool on the registry fitted: those we
looked at change a copy of the whole tree, start an interpreter for each mutant, and change strings of types too.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import click
import msgspec
from rich.console import Console
from rich.progress import track

from benchmarks.mutants import Mutant, described, mutants, mutated
from benchmarks.report import ROOT, Outcome, Plan, Result, Run

TIMEOUT_S = 240
_WARM = (
    "pytest", "hypothesis", "hypothesis.strategies", "msgspec", "yaml", "cryptography", "joserfc.jwk", "joserfc.jwe",
    "sqlalchemy", "alembic.autogenerate", "prometheus_client", "rich.table", "click", "numpy",
)  # fmt: skip
SHARING = (
    "tests/sharing/test_operators.py", "tests/sharing/test_disclose.py", "tests/sharing/test_projection.py",
    "tests/sharing/test_pseudonyms.py", "tests/sharing/test_contracts.py", "tests/sharing/test_widening.py",
    "tests/sharing/test_fields.py", "tests/sharing/test_agreement.py",
)  # fmt: skip
GUARD = ("tests/events/test_cards.py", "tests/events/test_guard.py", "tests/benchmarks/test_guard.py")
TARGETS: dict[str, tuple[str, ...]] = {
    **{
        f"sharing.operators.{path.stem}": SHARING
        for path in sorted((ROOT / "sharing" / "operators").glob("*.py"))
        if path.stem != "__init__"
    },
    "sharing.contracts": SHARING,
    "sharing.projection": SHARING,
    "sharing.pseudonyms": SHARING,
    "events.cards": GUARD,
    "events.guard": GUARD,
}


class OtherMutants(click.ClickException):
    """A result is not of the sources that are here now."""


class Tried(NamedTuple):
    module: str
    mutant: Mutant
    noticed: bool


@cache
def source_of(module: str) -> str:
    return (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module from changed source."""

    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._module:
            return None
        where = ROOT / (fullname.replace(".", "/") + ".py")
        return importlib.util.spec_from_file_location(fullname, where, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, f"<mutant of {self._module}>", "exec"), module.__dict__)  # noqa: S102 - our own source


def noticed(module: str, source: str, tests: Sequence[str]) -> bool:
    """Whether a test fails, or nothing works any more, when that is the module's source."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(_tests_fail(module, source, tests))
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _tests_fail(module: str, source: str, tests: Sequence[str]) -> int:
    import pytest  # noqa: PLC0415 - imported by the parent already
    from hypothesis import settings  # noqa: PLC0415

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.meta_path.insert(0, Changed(module, source))
    settings.register_profile("mutation", max_examples=25, derandomize=True, deadline=None, database=None)
    settings.load_profile("mutation")
    plain = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not slow"]
    try:
        return int(pytest.main([*plain, "-o", "timeout=0", "-W", "ignore", *(str(ROOT / test) for test in tests)]))
    except BaseException:  # noqa: BLE001 - whatever stops the tests is noticed
        return 1


def warmed() -> None:
    """Import what the tests use and no mutant changes, once for all."""
    for name in _WARM:
        importlib.import_module(name)


def measure(plan: Plan, again: Path | None = None) -> Outcome:
    """`again`: a result of all mutants, of which those that survived alone are tried. Raises OtherMutants."""
    every = [(module, mutant) for module in TARGETS for mutant in mutants(source_of(module))]
    count = len(every) if plan.rounds >= 10 else min(len(every), 100 * plan.rounds)
    before = msgspec.json.decode(again.read_bytes(), type=Result) if again else None
    chosen = survivors(before, every) if before else sorted(random.Random(8).sample(every, plan.of(count, 8)))
    with get_context("spawn").Pool(initializer=warmed) as pool:  # one a processor, which forks what it tries
        tried = list(track(pool.imap(_tried, chosen), "mutants", len(chosen), console=Console(stderr=True)))
    if before is None:
        return outcome(tried, len(every))
    noticed_then = [Tried(*each, noticed=True) for each in every if each not in chosen]
    return outcome(noticed_then + tried, len(every), f"Those of commit {before.commit}: the {len(tried)} that survived")


def survivors(before: Result, every: Sequence[tuple[str, Mutant]]) -> list[tuple[str, Mutant]]:
    """Those that no test noticed then, and the few that read the same. Raises OtherMutants."""
    rows = {tuple(row) for row in before.outcome.rows if ":" in row[0]}
    found = [each for each in every if _row(*each) in rows]
    if before.figures["mutants_tried"] != len(every) or {_row(*each) for each in found} != rows:
        raise OtherMutants(f"{before.commit}: not a result of these {len(every):,} mutants; expected `make mutation`")
    return found


def _tried(chosen: tuple[str, Mutant]) -> Tried:
    module, mutant = chosen
    return Tried(module, mutant, noticed(module, mutated(source_of(module), mutant), TARGETS[module]))


def outcome(tried: Sequence[Tried], of: int, again: str = "") -> Outcome:
    """`again` says of which result what survived was tried again."""
    modules = sorted({each.module for each in tried})
    scores = {module: _score([each for each in tried if each.module == module]) for module in modules}
    return Outcome(
        workload=(
            f"{len(tried):,} of {of:,} mutants"
            + ("." if len(tried) == of else ", drawn at random; all of them: `make mutation`.")
            + (f" {again} there, or read the same, were tried again with these tests." if again else "")
            + " A mutant is noticed when one of its module's tests fails; property tests try 25 examples."
        ),
        runs=[Run(module, 0, {"score": score}) for module, score in scores.items()],
        figures={"mutation_score": _score(tried), "mutants_tried": float(len(tried))},
        targets={"mutation_score": ">= .90"},
        columns=["module", "noticed, or the survivor"],
        rows=[[module, f"{score:.3f}"] for module, score in scores.items()]
        + [[*_row(each.module, each.mutant)] for each in tried if not each.noticed],
    )


def _row(module: str, mutant: Mutant) -> tuple[str, str]:
    return f"{module}:{mutant.line}", described(source_of(module), mutant).replace("|", "\\|")


def _score(tried: Sequence[Tried]) -> float:
    return sum(each.noticed for each in tried) / len(tried)
