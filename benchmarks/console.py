"""The analysts' console over many cases on PostgreSQL: how long pages take while cases come in, and who claims what."""

import math
import multiprocessing
import os
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa
import uvicorn

from benchmarks.report import Outcome, Plan, Run, medians_of
from history.database import make_engine
from review import tables
from review.access.accounts import Account, hashed
from review.cases import Case
from review.console.app import STATIC, warmed
from review.console.house import furnished
from review.database import upgrade
from review.desk import Desk
from review.joining import JoiningStore
from review.opener import Vault
from review.store import CaseStore, SubjectKeyTable, row_of
from tests.harness.postgres import Postgres
from tests.harness.waiting import free_port, wait_until
from tests.review import test_browser
from tests.review.browsing import chromium, served, sign_in, violations
from tests.review.examples import vault
from tests.review.made import made
from vault.keyring import Keyring

ANALYSTS, PAUSE_S = 20, 1.0
SIMULATED = 200
A_MINUTE, CHUNK, LOCKED_MS = 10_000, 50, 100
WORD = "correct horse battery"
STEPS = ("queue", "filter", "case", "decide")
SPAWN = multiprocessing.get_context("spawn")
Times = defaultdict[str, list[float]]

# Copies of one case: a fifth open, the others decided within 30 days. Their envelopes are never opened.
FILL = """INSERT INTO review_cases ({columns}) SELECT {values} FROM review_cases AS one,
generate_series(CAST(1 AS bigint), CAST(:many AS bigint)) AS n WHERE one.decision_id = :pattern"""
FILLED = {
    "decision_id": "'fill:' || n",
    "order_id": "'fill-' || n",
    "opened_at_ms": "one.opened_at_ms - n * 2000",
    "status": "CASE WHEN n % 5 = 0 THEN 'open' ELSE 'decided' END",
    "verdict": "CASE WHEN n % 5 = 0 THEN NULL WHEN n % 3 = 0 THEN 'confirm_fraud' ELSE 'dismiss' END",
    "decided_at_ms": "CASE WHEN n % 5 = 0 THEN NULL ELSE one.opened_at_ms - n * 2000 END",
    "decided_by": "CASE WHEN n % 5 = 0 THEN NULL ELSE 'analyst' || n % 20 END",
    "due_at_ms": "CASE WHEN n % 500 = 0 THEN one.opened_at_ms ELSE one.due_at_ms + n END",
    "outcome": "CASE WHEN n % 3 = 0 THEN 'block' ELSE 'review' END",
    "country": "(ARRAY['SA','AE','KW','BH','OM','EG','DE'])[1 + n % 7]",
    "priority": "(n * 7919 % 100003) / 100003.0",
    "subject": "'s' || n",
    "card": "'c' || n",
    "device": "'d' || n",
    "email_index": "'e' || n",
    "phone_index": "'p' || n",
}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def held_by(engine: sa.Engine, keyring: Path) -> Vault:
    return vault(Keyring.load(keyring), SubjectKeyTable(engine))


def filled(engine: sa.Engine, keyring: Path, cases: int, real: int) -> None:
    """`real` cases that can be opened, of the highest priority; and copies."""
    held, at_ms = held_by(engine, keyring), now_ms()
    whole = [made(n, held, at_ms) for n in range(real)]
    CaseStore(engine).take_in_all(msgspec.structs.replace(case, priority=1000.0 + case.priority) for case in whole)
    names = [column.name for column in tables.cases.c]
    values = ", ".join(FILLED.get(name, f"one.{name}") for name in names)
    fill = sa.text(FILL.format(columns=", ".join(names), values=values))
    with engine.begin() as connection:
        connection.execute(fill, {"many": cases - real, "pattern": whole[0].decision_id})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE review_cases"))


def serve(url: str, keyring: Path, port: int) -> None:
    """The console, as `amana console` has it."""
    engine = make_engine(url)
    house = furnished(engine, *held_by(engine, keyring), os.urandom, now_ms, https=False)
    uvicorn.run(warmed(house), host="127.0.0.1", port=port, log_level="error", access_log=False)


def fresh(case: Case, number: int) -> Case:
    """A customer of its own; every fifth with the card of the one before, whose case it is joined to."""
    return msgspec.structs.replace(
        case,
        decision_id=f"new:0:{number}",
        order_id=f"new-{number}",
        opened_at_ms=now_ms(),
        subject=f"new-s{number}",
        card=f"new-c{number - (number % 5 == 4)}",
        priority=0.5,
    )


def take_in(url: str, pattern: bytes, told: Any) -> None:
    """Cases at the pace asked, until it is ended; each chunk's time, its place in the pace's schedule not counted.

    A chunk that waited for a lock for longer than it should is infinite, and taken in again.
    """
    store = JoiningStore(make_engine(f"{url}?options=-c%20lock_timeout%3D{LOCKED_MS}"))
    case = msgspec.json.decode(pattern, type=Case)
    began, chunk = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, began + chunk * CHUNK * 60 / A_MINUTE - time.monotonic()))
        cases = [fresh(case, chunk * CHUNK + n) for n in range(CHUNK)]
        before = time.monotonic()
        try:
            store.take_in_all(cases)
        except sa.exc.OperationalError:
            told.put(math.inf)
            continue
        told.put(1000 * (time.monotonic() - before))
        chunk += 1


def mark_of(page: httpx2.Response) -> str:
    return str(re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0])


def analyst(url: str, name: str, rounds: int, times: Times, sizes: list[int], all_in: threading.Barrier) -> None:
    """Looks at the queue, filters it, opens the next case and decides it, again and again, once all have signed in."""
    rng = random.Random(name)
    with httpx2.Client(base_url=url, timeout=60) as client:

        def timed(step: str, method: str, path: str, **fields: str) -> httpx2.Response:
            time.sleep(rng.expovariate(1 / PAUSE_S))
            before = time.monotonic()
            answer = client.request(method, path, data=fields or None)
            times[step].append(1000 * (time.monotonic() - before))
            assert answer.status_code in {200, 303}, (step, answer.status_code)
            sizes.append(len(answer.content))
            return answer

        form = {"csrf": mark_of(client.get("/sign-in")), "username": name, "password": WORD}
        client.post("/sign-in", data=form)
        all_in.wait(120)
        for _ in range(rounds):
            mark = mark_of(timed("queue", "GET", "/queue"))
            timed("filter", "GET", "/queue?outcome=block&country=OM")
            path = timed("next", "POST", "/queue/next", csrf=mark).headers["location"].partition("?")[0]
            version = re.findall(r'name="version" value="(\d+)"', timed("case", "GET", path).text)[0]
            timed("decide", "POST", f"{path}/dismiss", csrf=mark, version=version, reason="known customer")


def paged(url: str, rounds: int) -> tuple[Times, list[int]]:
    """All analysts at once; milliseconds by step, and the pages' sizes (bytes)."""
    times: Times = defaultdict(list)
    sizes: list[int] = []
    all_in = threading.Barrier(ANALYSTS)
    with ThreadPoolExecutor(ANALYSTS) as pool:
        names = [f"analyst{n}" for n in range(ANALYSTS)]
        work = [pool.submit(analyst, url, name, rounds, times, sizes, all_in) for name in names]
        for each in work:
            each.result()
    return times, sizes


def under_load(url: str, keyring: Path, rounds: int) -> tuple[Times, list[int], list[float]]:
    """Beside an intake; also how long the intake's chunks took."""
    engine, port, told = make_engine(url), free_port(), SPAWN.Queue()
    password = hashed(WORD)
    house = furnished(engine, *held_by(engine, keyring), os.urandom, now_ms, https=False)
    for n in range(ANALYSTS):
        house.access.add(Account(username=f"analyst{n}", roles=("analyst",), password=password), "cli:root", now_ms())
    pattern = msgspec.json.encode(house.cases.get("topic:0:0"))
    work: tuple[tuple[Callable[..., None], tuple[Any, ...]], ...] = (
        (serve, (url, keyring, port)),
        (take_in, (url, pattern, told)),
    )
    processes = [SPAWN.Process(target=target, args=given, daemon=True) for target, given in work]
    for process in processes:
        process.start()
    try:
        site = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(site), 120, "the console")
        times, sizes = paged(site, rounds)
    finally:
        for process in processes:
            process.terminate()
            process.join(30)
        engine.dispose()
    chunks = [told.get() for _ in range(told.qsize())]
    return times, sizes, chunks


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/sign-in", timeout=10).status_code == 200
    except httpx2.TransportError:
        return False


def claims(url: str, keyring: Path, cases: int) -> dict[str, float]:
    """Two hundred take cases until none is left: how many were taken twice, and how many by nobody."""
    engine = sa.create_engine(url, pool_size=40, max_overflow=0, pool_timeout=600)
    upgrade(engine)
    held, at_ms = held_by(engine, keyring), now_ms()
    first = made(0, held, at_ms)
    names = [f"c:{n}" for n in range(cases)]
    with engine.begin() as connection:
        rows = [row_of(msgspec.structs.replace(first, decision_id=name, order_id=name)) for name in names]
        connection.execute(sa.insert(tables.cases), rows)
    desk, taken, lock = Desk(engine), [], threading.Lock()

    def work(person: str) -> None:
        while (case := desk.next(person, at_ms)) is not None:
            with lock:
                taken.append(case.decision_id)

    with ThreadPoolExecutor(SIMULATED) as pool:
        list(pool.map(work, [f"p{n}" for n in range(SIMULATED)]))
    engine.dispose()
    return {"double_claims": float(len(taken) - len(set(taken))), "lost_cases": float(cases - len(set(taken)))}


def accessible(kinds: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Pages that axe-core looked at, and what it found, over languages and colour schemes."""
    pages = found = 0
    with TemporaryDirectory() as name, served(Path(name), 12, {"noura": ("analyst", "auditor")}) as (url, house):
        house.desk.act(house.cases.get("topic:0:0"), "claim", "noura", house.clock())
        with chromium() as browser:
            for language, scheme in kinds:
                house.access.change("noura", "noura", house.clock(), language=language)
                context = browser.new_context(color_scheme=scheme, locale=language)  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(f"{url}/sign-in")
                found += len(violations(page))
                sign_in(page, url, "noura")
                for path in test_browser.PATHS:
                    page.goto(url + path)
                    found += len(violations(page))
                pages += 1 + len(test_browser.PATHS)
                context.close()
    return pages, found


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


def taken(chunks: Sequence[float]) -> dict[str, float]:
    """Of the intake's chunks, how long they took and how many had waited for a lock."""
    done = [each for each in chunks if each < math.inf]
    return {"intake_p95_ms": p95(done), "intake_most_ms": max(done), "lock_waits": float(len(chunks) - len(done))}


def measure(plan: Plan) -> Outcome:
    total, rounds = plan.of(1_000_000, 20_000), plan.of(20, 3)
    runs: list[Run] = []
    with Postgres() as postgres, TemporaryDirectory() as name:
        keyring = Path(name) / "keyring.json"
        Keyring.create(keyring, os.urandom)
        for number in range(plan.rounds):
            url = postgres.create_database(f"console{number}")
            engine = make_engine(url)
            upgrade(engine)
            filled(engine, keyring, total, ANALYSTS * (2 * rounds + 1))
            engine.dispose()
            times, sizes, chunks = under_load(url, keyring, rounds)
            values = {f"{step}_p95_ms": p95(times[step]) for step in STEPS} | taken(chunks)
            runs.append(Run("console", number, values | {"page_kb": _whole(max(sizes))}))
            postgres.drop_database(f"console{number}")
        claimed = claims(postgres.create_database("claims"), keyring, plan.of(5_000, 1_000))
    kinds = list(product(("en", "ar"), ("light", "dark")))[: plan.of(4, 1)]
    pages, found = accessible(kinds)
    return _outcome(total, runs, claimed | {"axe_pages": float(pages), "axe_violations": float(found)})


def _whole(page_b: int) -> float:
    """A page with the files it takes, kB."""
    return (page_b + sum(file.stat().st_size for file in STATIC.iterdir())) / 1000


def _outcome(total: int, runs: list[Run], others: dict[str, float]) -> Outcome:
    names = (*(f"{step}_p95_ms" for step in STEPS), "intake_p95_ms", "intake_most_ms", "lock_waits", "page_kb")
    figures = {name: medians_of(runs, name)["console"] for name in names} | others
    targets = dict.fromkeys((f"{step}_p95_ms" for step in STEPS), "<= 100") | {"page_kb": "<= 150"}
    targets |= dict.fromkeys(("double_claims", "lost_cases", "axe_violations", "lock_waits"), "0")
    return Outcome(
        workload=(
            f"{total:,} cases in PostgreSQL, a fifth of them open; {ANALYSTS} analysts at once, each pausing"
            f" {PAUSE_S:.0f} s on average between two clicks; {A_MINUTE:,} cases a minute came in meanwhile, {CHUNK} at"
            " a time. Server, intake, analysts and database share the machine."
            f" {SIMULATED} simulated analysts emptied one queue."
        ),
        runs=runs,
        figures=figures,
        targets=targets,
        columns=["what", "p95, ms"],
        rows=[[step, f"{figures[f'{step}_p95_ms']:.1f}"] for step in (*STEPS, "intake")],
    )
