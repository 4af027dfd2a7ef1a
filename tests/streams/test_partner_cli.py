"""`amana partner` as a partner and an operator type it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sharing.contracts import FOLDER as CONTRACTS
from sharing.contracts import load
from sharing.tokens import Opener
from sharing.tokens.making import load_private
from streams import partner_cli
from streams.cli import main
from tests.harness.waiting import free_port

DAY_S = 24 * 3600
NOW_S = 1_780_000_000


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["partner", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [NOW_S]
    monkeypatch.setattr(partner_cli, "_now_s", lambda: now[0])
    return now


def test_a_partner_makes_its_pair_and_the_store_takes_the_public_half(tmp_path: Path) -> None:
    made = run("keys", "acquirer", "--out", tmp_path / "own")
    shown = json.loads(made.stdout)
    assert [key["use"] for key in shown["keys"]] == ["enc", "sig"]
    assert "acquirer.private.json stays with acquirer" in made.stderr
    partners = tmp_path / "partners"
    partners.mkdir()
    (partners / "acquirer.json").write_text(made.stdout)
    enc, sig = (key["kid"] for key in shown["keys"])
    assert run("check", "--partners", partners).stdout == f"acquirer: encrypted to {enc}; verified by {sig}\n"
    again = run("keys", "acquirer", "--out", tmp_path / "own", code=1)
    assert "acquirer.private.json: already exists; a key is never overwritten" in again.stderr


def test_check_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    run("keys", "acquirer", "--out", tmp_path)
    wrong = run("check", "--partners", tmp_path, code=1)
    assert "acquirer.private.json: a partner's private set, which stays with the partner" in wrong.stderr
    (tmp_path / "acquirer.private.json").unlink()
    missing = run("check", "carrier", "--partners", tmp_path, code=1)
    assert f"{tmp_path}: no carrier.json; expected the public JWK set of carrier" in missing.stderr
    assert "no such folder" in run("check", "--partners", tmp_path / "none", code=1).stderr


def test_our_set_is_published_rotated_and_withdrawn(tmp_path: Path, clock: list[int]) -> None:
    ring, out = tmp_path / "keyring.json", tmp_path / "jwks.json"
    keys = CliRunner().invoke(main, ["keys", "init", str(ring)])
    assert keys.exit_code == 0, keys.output
    first = run("jwks", "--keyring", ring, "--out", out).stdout
    assert re.fullmatch(r"[\w-]{43} signs\n", first)
    assert CliRunner().invoke(main, ["keys", "rotate", "token", "--keyring", str(ring)]).exit_code == 0
    old, new = run("jwks", "--keyring", ring, "--out", out).stdout.splitlines()
    assert old == f"{first.split()[0]} signs, published until 2026-06-28 20:26 UTC"
    assert new.split(maxsplit=1)[1] == "signs from 2026-05-29 20:26 UTC"
    clock[0] += DAY_S
    after = [line.split()[1] for line in run("jwks", "--keyring", ring, "--out", out).stdout.splitlines()]
    assert after == ["verifies,", "signs"]
    assert run("jwks", "--keyring", ring, "--out", out, "--withdraw").stdout == f"{new.split()[0]} signs\n"
    assert [key["kid"] for key in json.loads(out.read_text())["keys"]] == [new.split()[0]]


def test_the_sandbox_writes_what_a_partner_must_cope_with_as_files(tmp_path: Path) -> None:
    out = run("sandbox", "acquirer", "--keys", tmp_path, "--make-keys", "--out", tmp_path / "out", "--count", "3")
    kinds = [line.split(maxsplit=1)[1] for line in out.stdout.splitlines()]
    assert [kind.rpartition(",")[0] for kind in kinds] == [
        *["disclosure"] * 3,
        "withdrawal",
        "deletion",
        "correction",
        "the same again",
    ]
    assert len({kind.rpartition(",")[2] for kind in kinds}) == 1  # the length says nothing
    jwks = json.loads((tmp_path / "jwks.json").read_text())
    private = load_private(tmp_path / "acquirer.private.json")
    opener = Opener(private, jwks, issuer="https://store.example", audience="acquirer")
    opened = [opener.open(path.read_bytes()) for path in sorted((tmp_path / "out").glob("*.jwe"))]
    clear = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").glob("*.json"))]
    assert [json.loads(token.event) for token in opened] == [next(iter(each["events"].values())) for each in clear]
    assert [token.sub_id for token in opened] == [each["sub_id"]["id"] for each in clear]
    events = [json.loads(token.event) for token in opened]
    assert [(event.get("supersedes"), event.get("status")) for event in events[3:5]] == [
        (opened[0].jti, "withdrawn"),
        (opened[1].jti, "deleted"),
    ]
    assert events[5]["supersedes"] == opened[2].jti
    assert events[5]["psp_reference"] == events[2]["psp_reference"]
    assert events[5]["reasons"] != events[2]["reasons"]
    assert [token.sub_id for token in opened[3:6]] == [token.sub_id for token in opened[:3]]
    assert opened[6].jti == opened[2].jti


@pytest.mark.parametrize("contract", sorted(CONTRACTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sandbox_has_something_to_tell_every_partner_whom_we_have_a_contract_with(
    tmp_path: Path, contract: Path
) -> None:
    run("sandbox", contract.stem, "--keys", tmp_path, "--make-keys", "--out", tmp_path / "out", "--count", "1")
    (event,) = json.loads((tmp_path / "out" / "001.json").read_text())["events"].values()
    told = {term.name for term in load(contract).fields}
    assert set(event) - {"jti", "epoch"} <= told
    assert len(set(event) & told) >= min(3, len(told))


def test_the_same_seed_tells_of_the_same_orders_and_another_of_others(tmp_path: Path) -> None:
    def told(seed: str) -> str:
        options = ("--keys", tmp_path, "--make-keys", "--out", tmp_path / seed, "--seed", seed)
        return run("sandbox", "acquirer", *options).stdout

    assert told("7") == told("7")
    first = (tmp_path / "7" / "001.json").read_text()
    told("8")
    assert json.loads(first)["events"] != json.loads((tmp_path / "8" / "001.json").read_text())["events"]


def test_the_sandbox_makes_no_keys_that_it_was_not_asked_for(tmp_path: Path) -> None:
    refused = run("sandbox", "acquirer", "--keys", tmp_path, "--out", tmp_path / "out", code=1)
    assert "acquirer.json: not there; --make-keys makes throw-away keys" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "expected one of --out, --brokers, --push and --poll"),
        (["--out", "x", "--push", "https://a.example/"], "expected one of --out, --brokers, --push and --poll"),
        (["--push", "http://a.example/"], "expected https://..., or http:// on this machine"),
        (["--push", "http://127.0.0.1.evil.example/"], "expected https://..., or http:// on this machine"),
        (["--poll", "8936"], "expected HOST:PORT"),
        (["--poll", "127.0.0.1:99999"], "expected HOST:PORT"),
        (["--out", "x", "--count", "0"], "0 is not in the range 1<=x<=1000"),
    ],
)
def test_the_sandbox_says_what_it_expected(options: list[str], expected: str) -> None:
    assert expected in run("sandbox", "acquirer", *options, code=2).stderr


def test_the_sandbox_knows_no_partner_without_a_contract(tmp_path: Path) -> None:
    unknown = run("sandbox", "nobody", "--out", tmp_path, code=2).stderr
    assert "no contract with nobody comes with Amana; expected one of acquirer, carrier, fellow-merchant, " in unknown
    assert unknown.endswith("verification-agency, or its file as --contract\n")
    acquirer = Path(__file__).parents[2] / "sharing" / "contracts" / "acquirer.yaml"
    other = run("sandbox", "carrier", "--contract", acquirer, "--out", tmp_path, code=2)
    assert "--contract is acquirer's, not carrier's" in other.stderr


def test_a_receiver_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    failed = run("sandbox", "acquirer", "--keys", tmp_path, "--make-keys", "--push", url, code=1)
    assert f"{url}: ConnectError; expected a push receiver (RFC 8935)" in failed.stderr
