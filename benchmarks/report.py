"""What a benchmark gives, how it is written down, and how it is shown: a JSON file, a table, a part of a document."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec
from rich.markup import escape
from rich.table import Table

from benchmarks.plot import Plot, svg

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
PACKAGES = (
    "aiokafka", "confluent-kafka", "faust-streaming", "hiredis", "kafka-python", "msgspec", "numpy", "redis",
    "scikit-learn",
)  # fmt: skip


class Plan(msgspec.Struct, frozen=True):
    """How thorough to be: `quick` is a smoke test whose figures mean nothing."""

    rounds: int
    quick: bool = False

    def of(self, thorough: int, quick: int) -> int:
        return quick if self.quick else thorough


class Run(msgspec.Struct, frozen=True):
    """One contender's measurements in one round, by name; units are the names' last words."""

    contender: str
    round: int
    values: dict[str, float]


class Outcome(msgspec.Struct, frozen=True):
    """What a benchmark found. `workload` says what was measured, `targets` what the figures should be."""

    workload: str
    runs: list[Run]
    figures: dict[str, float]
    targets: dict[str, str]
    columns: list[str]
    rows: list[list[str]]
    plot: Plot | None = None


class Result(msgspec.Struct, frozen=True):
    """The file of a benchmark. `medians` and `spread` (lowest, highest) are over rounds, by contender and value."""

    name: str
    plan: Plan
    machine: dict[str, str | int | float]
    versions: dict[str, str]
    commit: str
    outcome: Outcome
    medians: dict[str, dict[str, float]]
    spread: dict[str, dict[str, tuple[float, float]]]
    figures: dict[str, float]


def result_of(name: str, plan: Plan, outcome: Outcome, load_before: float, stolen_share: float) -> Result:
    """`stolen_share`: of the processors, what the host gave to others meanwhile."""
    values = by_contender(outcome.runs)
    return Result(
        name=name,
        plan=plan,
        machine=machine() | {"load_average_before": load_before, "stolen_share": round(stolen_share, 4)},
        versions=versions(),
        commit=commit(),
        outcome=outcome,
        medians={who: {what: median(v) for what, v in named.items()} for who, named in values.items()},
        spread={who: {what: (min(v), max(v)) for what, v in named.items()} for who, named in values.items()},
        figures=outcome.figures,
    )


def by_contender(runs: Sequence[Run]) -> dict[str, dict[str, list[float]]]:
    """All rounds' values, by contender and name."""
    values: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for what, value in run.values.items():
            values.setdefault(run.contender, {}).setdefault(what, []).append(value)
    return values


def medians_of(runs: Sequence[Run], what: str) -> dict[str, float]:
    return {who: median(values[what]) for who, values in by_contender(runs).items() if what in values}


def rotated(contenders: Sequence[str], by: int) -> Sequence[str]:
    """The order of a round: another contender begins each."""
    first = by % len(contenders)
    return (*contenders[first:], *contenders[:first])


def ratios(runs: Sequence[Run], what: str, one: str, other: str) -> list[float]:
    """Round by round: what slows the machine for a while slows both."""
    values = by_contender(runs)
    return [mine / theirs for mine, theirs in zip(values[one][what], values[other][what], strict=True)]


def machine() -> dict[str, str | int | float]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory_b = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(memory_b / 2**30, 1),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def commit() -> str:
    """The commit measured; `+` where the tree had changes."""
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()


def write(result: Result, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return path


def figures_of(result: Result) -> list[list[str]]:
    """Each figure beside its target."""
    targets = result.outcome.targets
    return [
        [name, f"{value:.4f}" if abs(value) < 1.0 else f"{value:,.2f}", targets.get(name, "")]
        for name, value in result.figures.items()
    ]


def tables(result: Result) -> list[Table]:
    shown = Table(*result.outcome.columns, title=result.name, title_justify="left", caption=result.outcome.workload)
    for row in result.outcome.rows:
        shown.add_row(*map(escape, row))
    figures = Table("figure", "measured", "target")
    for row in figures_of(result):
        figures.add_row(*row)
    return [shown, figures]


def document(results: Sequence[Result], path: Path) -> None:
    """Put each result into its place in a document: between `<!-- NAME -->` and `<!-- /NAME -->`.

    Plots go into `plots/` beside it.
    """
    text = path.read_text(encoding="utf-8")
    for result in results:
        begin, end = f"<!-- {result.name} -->\n", f"<!-- /{result.name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{path}: expected a line {begin.strip()} and a line {end}")
        text = before + begin + markdown(result) + end + after
        if result.outcome.plot:
            (path.parent / _picture(result)).parent.mkdir(exist_ok=True)
            (path.parent / _picture(result)).write_text(svg(result.outcome.plot), encoding="utf-8")
    path.write_text(text, encoding="utf-8")


def markdown(result: Result) -> str:
    """A result as the document shows it."""
    about, plot = result.machine, result.outcome.plot
    where = f"{about['cores']} cores ({about['cpu']}), {about['memory_gb']} GB, Linux {about['kernel']}"
    stolen = f"{100 * float(about['stolen_share']):.0f} %"
    load = f"load average {about['load_average_before']:.1f} before; the host gave {stolen} of the processors to others"
    return "\n".join(
        [
            *_lines(["figure", "measured", "target"], figures_of(result)),
            "",
            *([f"![{plot.title}]({_picture(result)})", ""] if plot else []),
            *_lines(result.outcome.columns, result.outcome.rows),
            "",
            f"{result.outcome.workload} Rounds: {result.plan.rounds}; {where}; {load}; commit {result.commit}.",
            "",
        ]
    )


def _picture(result: Result) -> str:
    return f"plots/{result.name}.svg"


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def ranges(runs: Sequence[Run], shown: Mapping[str, str]) -> list[list[str]]:
    """A row a contender: each shown value's median, and between brackets its lowest and highest."""
    return [
        [who, *(f"{median(v):{style}} ({min(v):{style}}-{max(v):{style}})" for v, style in _chosen(named, shown))]
        for who, named in by_contender(runs).items()
    ]


def shown(values: Sequence[float] | None) -> str:
    """Median, lowest and highest; a dash for what was not measured."""
    return f"{median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})" if values else "-"


def _chosen(named: Mapping[str, list[float]], shown: Mapping[str, str]) -> list[tuple[list[float], str]]:
    return [(named.get(what, [0.0]), style) for what, style in shown.items()]
