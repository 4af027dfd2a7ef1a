"""The disclosure ledger as it grows: what appending, proving and verifying cost."""

import os
import random
import runpy
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from benchmarks.plot import Plot
from benchmarks.report import ROOT, Outcome, Plan, Run, by_contender, shown
from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.ledger.checkpoints import Signer
from sharing.ledger.leaves import Disclosed, commitment, sealed_of
from sharing.ledger.receipts import Receipt
from sharing.ledger.store import Ledger, snapshot
from sharing.ledger.verification import verify
from tests.harness import Postgres

FILL, BATCH = 1_000, 100
SIGNER = Signer([b"benchmark of the ledger's size.."])
LEDGER = Ledger(SIGNER)
PROVED = ("inclusion_ms", "consistency_ms", "receipt_ms")


def measure(plan: Plan) -> Outcome:
    sizes = [10**power for power in (range(2, 4) if plan.quick else range(3, 7))]
    runs = []
    with Postgres() as server, TemporaryDirectory() as folder:
        for name, url in (
            ("SQLite", f"sqlite:///{folder}/ledger.db"),
            ("PostgreSQL", server.create_database("ledger")),
        ):
            runs += grown(name, url, sizes, plan)
    values = by_contender(runs)
    costs = {name: [(size, median(each[f"append_us_{size}"])) for size in sizes] for name, each in values.items()}
    return Outcome(
        workload=(
            f"Disclosures of random hashes, up to {sizes[-1]:,} entries. One at a time: a leaf and what opens it, in a"
            f" transaction, commit included, {plan.of(300, 20)} times; by {BATCH}: without what opens them."
            f" Proofs: of {plan.of(1000, 50)} places and earlier sizes, drawn at random, reading from the database"
            " included; medians, of the slower kind and database, and the slowest in a hundred. A receipt has a leaf"
            " read, its proof and its file; the auditor's file (examples/auditor/verify.py) verified each. May it"
            " leave: is a message on the ledger, as the deliverer asks. Verification reads every row and hashes"
            " everything anew. SQLite with every commit synced, PostgreSQL without."
        ),
        runs=runs,
        figures={
            "ledger_proof_ms": max(median(each[what]) for each in values.values() for what in PROVED),
            "ledger_proof_slowest_of_100_ms": max(
                median(each[f"{what}_slowest"]) for each in values.values() for what in PROVED
            ),
            "ledger_verification_s": max(max(each["verify_s"]) for each in values.values()),
            "ledger_append_growth": max(curve[-1][1] / curve[0][1] for curve in costs.values()),
            "receipts_verified": min(min(each["receipts_verified"]) for each in values.values()),
        },
        targets={
            "ledger_proof_ms": "< 10",
            "ledger_proof_slowest_of_100_ms": "< 10",
            "ledger_verification_s": "< 60",
            "ledger_append_growth": "about 1",
            "receipts_verified": "1",
        },
        columns=[
            "",
            *(f"us an entry, {size:,} before" for size in sizes),
            f"in {BATCH}s",
            "proof ms",
            "may it leave? ms",
            "verification s",
        ],
        rows=[
            [
                name,
                *(shown(each[f"append_us_{size}"]) for size in sizes),
                shown(each[f"batch_us_{sizes[-1]}"]),
                f"{median(each['inclusion_ms']):.2f}",
                f"{median(each['holds_ms']):.2f}",
                f"{median(each['verify_s']):.1f}",
            ]
            for name, each in values.items()
        ],
        plot=Plot(
            title="What appending costs against the ledger's size",
            x="entries before",
            y="us an entry",
            curves={
                **{f"{name}, one at a time": [*curve] for name, curve in costs.items()},
                **{
                    f"{name}, by {BATCH}": [(size, median(each[f"batch_us_{size}"])) for size in sizes]
                    for name, each in values.items()
                },
            },
        ),
    )


def grown(name: str, url: str, sizes: Sequence[int], plan: Plan) -> list[Run]:
    """Fill a ledger; measure appending at each size, and all else at the last."""
    engine = make_engine(url)
    migrate(engine, MIGRATIONS, LOCK)
    runs, size = [], 0
    for mark in sizes:
        while size < mark:
            size += append(engine, min(FILL, mark - size))
        checkpoint(engine)
        for number in range(plan.rounds):
            one = [timed(lambda: disclose(engine)) for _ in range(plan.of(300, 20))]
            many = [timed(lambda: append(engine, BATCH)) / BATCH for _ in range(plan.of(20, 2))]
            costs = {f"append_us_{mark}": 1e6 * median(one), f"batch_us_{mark}": 1e6 * median(many)}
            runs.append(Run(name, number, costs))
            size += len(one) + BATCH * len(many)
    whole = checkpoint(engine)
    for number in range(plan.rounds):
        found = {**proofs(engine, whole, plan), "verify_s": timed(lambda: verified(engine))}
        runs.append(Run(name, number, found))
    engine.dispose()
    return runs


def leaf() -> Disclosed:
    sealed, committed = os.urandom(32), os.urandom(32)
    return Disclosed(
        at_ms=1_800_000_000_000, partner="acquirer", contract=bytes(32), sealed=sealed, commitment=committed
    )


def append(engine: sa.Engine, count: int) -> int:
    with engine.begin() as connection:
        return len(LEDGER.append(connection, [leaf() for _ in range(count)]))


def disclose(engine: sa.Engine) -> None:
    salt, case, jti = os.urandom(32), os.urandom(11).hex(), os.urandom(11).hex()
    told = Disclosed(
        at_ms=1_800_000_000_000,
        partner="acquirer",
        contract=bytes(32),
        sealed=os.urandom(32),
        commitment=commitment(salt, case, jti, b"{}"),
    )
    with engine.begin() as connection:
        [place] = LEDGER.append(connection, [told])
        LEDGER.remember(connection, place, case, jti, salt)


def checkpoint(engine: sa.Engine) -> bytes:
    with engine.begin() as connection:
        return LEDGER.checkpoint(connection, 1_800_000_000_000)


def verified(engine: sa.Engine) -> None:
    with snapshot(engine) as connection:
        found = verify(connection, SIGNER.trusted())
    if found.found:
        raise RuntimeError(f"the ledger is not whole: {found.findings[0]}")


def proofs(engine: sa.Engine, note: bytes, plan: Plan) -> dict[str, float]:
    """What each kind of proof takes, and the share of receipts that the auditor's file verifies."""
    size, rng, count = SIGNER.trusted().opened(note).size, random.Random(7), plan.of(1000, 50)
    auditor = runpy.run_path(str(ROOT / "examples" / "auditor" / "verify.py"))
    with engine.connect() as connection, TemporaryDirectory() as folder:
        places, olds = ([rng.randrange(size) for _ in range(count)] for _ in range(2))
        included = [timed(partial(LEDGER.inclusion, connection, at, size)) for at in places]
        consistent = [timed(partial(LEDGER.consistency, connection, old, size)) for old in olds]
        receipts: list[Receipt] = []
        written = [timed(partial(write, receipts, connection, at, size, note)) for at in places]
        messages = [sealed_of(LEDGER.leaf(connection, at)) or b"" for at in places[: count // 5]]
        holds = [timed(partial(LEDGER.holds, connection, message)) for message in messages]
        good = sum(accepted(auditor, Path(folder), each.text()) for each in receipts)
    return {
        **spent("inclusion_ms", included),
        **spent("consistency_ms", consistent),
        **spent("receipt_ms", written),
        **spent("holds_ms", holds),
        "receipts_verified": good / len(receipts),
    }


def write(receipts: list[Receipt], connection: sa.Connection, place: int, size: int, note: bytes) -> None:
    proof = LEDGER.inclusion(connection, place, size)
    receipts.append(Receipt(place, LEDGER.body(connection, place), tuple(proof), note))
    receipts[-1].text()


def accepted(auditor: dict[str, Any], folder: Path, text: bytes) -> bool:
    keys, path = folder / "ledger.keys", folder / "receipt.tlog-proof"
    keys.write_text("\n".join(SIGNER.keys))
    path.write_bytes(text)
    try:
        auditor["check_inclusion"](auditor["read_receipt"](str(path), auditor["read_keys"](str(keys))))
    except auditor["Wrong"]:
        return False
    return True


def spent(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """The median, and the slowest in a hundred."""
    return {name: 1e3 * median(seconds), f"{name}_slowest": 1e3 * quantiles(seconds, n=100)[-1]}


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
