"""Disclosures a second: projected, signed, encrypted, and recorded with leaf, side table, disclosure and outbox row.

And what the record is worth: receipts checked with the auditor's file alone, and the tables after a recorder was killed
in the middle of its work, again and again.
"""

import os
import random
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from benchmarks.report import ROOT, Outcome, Plan, Run, medians_of, ranges
from history.database import make_engine, migrate
from sharing import tables
from sharing.contracts import FOLDER, load
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery import disclosures
from sharing.delivery.schedule import Schedule
from sharing.disclosable import Disclosable
from sharing.ledger.checkpoints import Signer
from sharing.ledger.leaves import SALT_BYTES, Disclosed, commitment, hash_of
from sharing.ledger.receipts import Opening, Receipt
from sharing.ledger.store import Ledger
from sharing.projection import compile_contract
from sharing.tokens import Sealer
from sharing.tokens.keys import partner_keys
from tests.sharing import sealed
from tests.sharing.agreement import disclosable
from tests.sharing.salted import Salted

CHUNK = 50  # triggers that the projector takes at once
PARTNER = "acquirer"
VERIFIER = ROOT / "examples" / "auditor" / "verify.py"
NOW_MS = sealed.NOW_MS
STEPS = ("project_us", "seal_us", "record_us")


class Made(NamedTuple):
    jti: str
    case_id: str
    payload: bytes
    sealed: bytes


class Recorder:
    """What the projector does with a chunk, each step timed: one transaction at its end."""

    def __init__(self, engine: sa.Engine, rng: random.Random) -> None:
        self.engine = engine
        self.ledger = Ledger(Signer([bytes(32)], "store.example/ledger"))
        self.projection = compile_contract(load(FOLDER / f"{PARTNER}.yaml"), b"k" * 32)
        keys = {PARTNER: partner_keys(PARTNER, sealed.public_set(sealed.ACQUIRER), PARTNER)}
        self.sealer = Sealer(sealed.ISSUER, sealed.OURS, keys)
        self.contract = bytes.fromhex(self.projection.contract.hash())
        self._random = rng
        self._schedule = Schedule()

    def project(self, items: Sequence[Disclosable]) -> list[tuple[str, str, bytes]]:
        project, name = self.projection.project, self.projection.message_id
        return [(name(item.decision_id), f"case-{item.decision_id}"[:96], project(item)) for item in items]

    def seal(self, projected: Sequence[tuple[str, str, bytes]]) -> list[Made]:
        uri = self.projection.contract.event_uri
        return [
            Made(jti, case_id, payload, self.sealer.seal(PARTNER, jti, jti[::-1], uri, payload, NOW_MS))
            for jti, case_id, payload in projected
        ]

    def record(self, made: Sequence[Made]) -> list[tuple[int, bytes]]:
        """Leaf, side table, disclosure and outbox in one transaction; places and salts."""
        salts = [self._random.randbytes(SALT_BYTES) for _ in made]
        leaves = [
            Disclosed(
                at_ms=NOW_MS,
                partner=PARTNER,
                contract=self.contract,
                sealed=hash_of(each.sealed),
                commitment=commitment(salt, each.case_id, each.jti, each.payload),
            )
            for each, salt in zip(made, salts, strict=True)
        ]
        with self.engine.begin() as connection:
            places = self.ledger.append(connection, leaves)
            for each, place, salt in zip(made, places, salts, strict=True):
                self.ledger.remember(connection, place, each.case_id, each.jti, salt)
                disclosures.made(connection, self._row(each, place), self._schedule, NOW_MS)
        return list(zip(places, salts, strict=True))

    def _row(self, made: Made, place: int) -> disclosures.Made:
        return disclosures.Made(
            jti=made.jti,
            partner=PARTNER,
            contract=self.contract,
            case_id=made.case_id,
            kind="disclosure",
            place=place,
            sealed=made.sealed,
        )


def opened(path: Path) -> sa.Engine:
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine, MIGRATIONS, LOCK)
    return engine


def generated(seed: int, total: int) -> list[Disclosable]:
    """Flagged orders; each with a decision of its own."""
    made, found = Salted(seed), []
    for number in range(total):
        item = disclosable(made.order(), made.decision())
        found.append(msgspec.structs.replace(item, decision_id=f"orders:{seed}:{number}", outcome="block"))
    return found


def speed(items: Sequence[Disclosable], folder: Path) -> dict[str, float]:
    """Processor time of the one process, each step's and all together; SQLite is in it."""
    engine = opened(folder / "speed.db")
    recorder = Recorder(engine, random.Random(1))
    spent = dict.fromkeys(STEPS, 0.0)
    began = time.process_time()
    for at in range(0, len(items), CHUNK):
        projected = _timed(spent, "project_us", recorder.project, items[at : at + CHUNK])
        made = _timed(spent, "seal_us", recorder.seal, projected)
        _timed(spent, "record_us", recorder.record, made)
    whole = time.process_time() - began
    engine.dispose()
    each = {name: 1e6 * seconds / len(items) for name, seconds in spent.items()}
    return {"disclosures_per_s": len(items) / whole, **each}


def _timed(spent: dict[str, float], name: str, function: Callable[[Any], Any], given: Any) -> Any:
    before = time.process_time()
    found = function(given)
    spent[name] += time.process_time() - before
    return found


def receipts_verified(items: Sequence[Disclosable], folder: Path) -> float:
    """Share of the receipts that the auditor's file finds right, with message and opening."""
    engine = opened(folder / "receipts.db")
    recorder = Recorder(engine, random.Random(2))
    made = recorder.seal(recorder.project(items))
    kept = recorder.record(made)
    with engine.begin() as connection:
        note = recorder.ledger.checkpoint(connection, NOW_MS)
    (folder / "ledger.keys").write_text("".join(f"{key}\n" for key in Signer([bytes(32)], "store.example/ledger").keys))
    verify = runpy.run_path(str(VERIFIER))["main"]
    right = 0
    with engine.connect() as connection:
        for each, (place, salt) in zip(made, kept, strict=True):
            proof = tuple(recorder.ledger.inclusion(connection, place, len(made)))
            receipt = Receipt(place, recorder.ledger.body(connection, place), proof, note)
            right += _is_right(verify, folder, receipt, each, salt)
    engine.dispose()
    return right / len(made)


def _is_right(verify: Callable[[list[str]], int], folder: Path, receipt: Receipt, made: Made, salt: bytes) -> bool:
    opening = Opening(place=receipt.place, case_id=made.case_id, jti=made.jti, salt=salt)
    files = {"receipt": receipt.text(), "sealed": made.sealed, "payload": made.payload}
    files["opening"] = msgspec.json.encode(opening)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    asked = ["receipt", str(folder / "receipt"), "--key", str(folder / "ledger.keys")]
    asked += [word for name in ("sealed", "opening", "payload") for word in (f"--{name}", str(folder / name))]
    with redirect_stdout(StringIO()):
        return verify(asked) == 0


def killed(kills: int, folder: Path, rng: random.Random) -> dict[str, int]:
    """What the tables do not agree on, after a recorder was killed that often in the middle of its work."""
    path = folder / "killed.db"
    engine = opened(path)
    program = "import sys; from benchmarks.disclosures import forever; forever(sys.argv[1], int(sys.argv[2]))"
    for number in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(number)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()  # it has recorded a first chunk
        time.sleep(rng.random() * 0.3)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    found = disagreements(engine)
    engine.dispose()
    return found


def forever(path: str, seed: int) -> None:
    """Record until killed; tells when the first chunk is there."""
    recorder = Recorder(make_engine(f"sqlite:///{path}"), random.Random(seed))
    items = generated(seed, CHUNK)
    for number in count():
        again = [msgspec.structs.replace(item, decision_id=f"{item.decision_id}:{number}") for item in items]
        recorder.record(recorder.seal(recorder.project(again)))
        if number == 0:
            print("recorded", flush=True)


def disagreements(engine: sa.Engine) -> dict[str, int]:
    """Messages, of these those that are not on the ledger, and leaves that no message belongs to."""
    ledger = Ledger()
    with engine.connect() as connection:
        waiting = list(connection.execute(sa.select(tables.outbox.c.jti, tables.outbox.c.sealed)))
        rows = connection.execute(sa.select(tables.disclosures.c.jti, tables.disclosures.c.place))
        recorded = {row.jti: row.place for row in rows}
        held = {jti: ledger.place_of(connection, hash_of(bytes(body))) for jti, body in waiting}
        size = ledger.size(connection)
    unledgered = sum(place is None for place in held.values())
    return {
        "messages": len(waiting),
        "unledgered": unledgered + sum(recorded.get(jti) != place for jti, place in held.items() if place is not None),
        "lost": size
        - len({place for place in held.values() if place is not None})
        + len(recorded.keys() - held.keys()),
    }


def measure(plan: Plan) -> Outcome:
    total, checked, kills = plan.of(10_000, 200), plan.of(1_000, 20), plan.of(12, 1)
    items = generated(1, total)
    runs = []
    with TemporaryDirectory() as name:
        for number in range(plan.rounds):
            folder = Path(name) / str(number)
            folder.mkdir()
            runs.append(Run("acquirer", number, speed(items, folder)))
        verified = receipts_verified(items[:checked], Path(name))
        left = killed(kills, Path(name), random.Random(3))
    return Outcome(
        workload=(
            f"{total:,} flagged orders told to the acquirer in chunks of {CHUNK}, each chunk one transaction in SQLite;"
            f" processor time of the one process. {checked:,} receipts, each with its message and its opening, were"
            f" checked by examples/auditor/verify.py. A recorder was killed (SIGKILL) {kills} times in its work:"
            f" {left['messages']:,} messages were in the outbox afterwards, {left['lost']} leaves without one."
        ),
        runs=runs,
        figures={
            "disclosures_per_s": medians_of(runs, "disclosures_per_s")["acquirer"],
            "receipts_verified": verified,
            "unledgered": float(left["unledgered"] + left["lost"]),
        },
        targets={"disclosures_per_s": ">= 1000", "receipts_verified": "1", "unledgered": "0"},
        columns=["partner", "disclosures a second", "project, us", "sign and encrypt, us", "record, us"],
        rows=ranges(runs, {"disclosures_per_s": ",.0f", **dict.fromkeys(STEPS, ",.0f")}),
    )
