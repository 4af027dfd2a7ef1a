import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import msgspec

from history.database import make_engine
from review.database import upgrade
from review.opener import open_case
from review.store import CaseStore, SubjectKeyTable
from tests.review.examples import NOW_MS, decision, vault
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

SERVE = (
    "import sys, pathlib; from streams.demo_console import serve; serve(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
)


def with_cases(folder: Path, cases: int) -> CaseStore:
    engine = make_engine(f"sqlite:///{folder}/amana.db")
    upgrade(engine)
    held = vault(Keyring.create(folder / "keyring.json", os.urandom), SubjectKeyTable(engine))
    store = CaseStore(engine)
    for n in range(cases):
        order = msgspec.structs.replace(ORDER, order_id=f"ord-{n}")
        store.take_in(open_case(decision(n, order_id=f"ord-{n}"), order, held, NOW_MS))
    return store


def mark_of(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def test_the_last_lines_suffice_to_decide_a_case_and_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    store = with_cases(tmp_path, 2)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), str(NOW_MS)], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        said = [serving.stdout.readline() for _ in range(5)]
        address = re.search(r"http://127\.0\.0\.1:\d+", said[1])
        who = re.search(r"name (\S+) +password (\S+)", said[2])
        assert address is not None
        assert who is not None
        with httpx2.Client(base_url=address[0], follow_redirects=True, timeout=60) as client:
            form = {"csrf": mark_of(client.get("/sign-in")), "username": who[1], "password": who[2]}
            queue = client.post("/sign-in", data=form)
            case = client.post("/queue/next", data={"csrf": mark_of(queue)})
            verdict = {"csrf": mark_of(case), "version": "2", "reason": "known customer"}
            client.post(f"{case.url.path}/dismiss", data=verdict)
        serving.send_signal(signal.SIGINT)
        assert serving.stdout.read() == ""
        assert serving.wait(60) == 0
    assert [case.decided_by for case in store.list("decided", limit=9)] == ["analyst"]
    kept = tmp_path / "passwords.txt"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert f"analyst {who[2]}\n" in kept.read_text()
