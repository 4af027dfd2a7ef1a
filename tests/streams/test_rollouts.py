"""Which models a worker takes from the topic, which it refuses, and what it says of the switch."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import structlog
from click.testing import CliRunner

from events.facts import Coordinates
from features.definitions import DEFINITIONS
from models import artifact, signing
from models.decisions import Decision
from models.errors import ArtifactRefused, BadPromotion
from models.policy import Policy
from models.promotion import KEY, Judge, Named, Promotion, Switch, encode, switch_key
from models.rollout import Challenger, Rollout
from streams.bootstrap.screen import opened
from streams.cli import main
from streams.rollouts import Models, Other, Promoted, Switches, earlier, entries, promote, promotions, told
from streams.settings import Settings
from tests.harness import Kafka
from tests.streams.made_models import saved
from tests.streams.pipeline import ROOT, make_topics

A, B, C = (Named(f"20260{n}01-aaaaaaaaaa", str(n) * 64) for n in (1, 2, 3))
POLICY = Policy(0.5, 0.9)


class Scorer(NamedTuple):
    """As much of one as is looked at here."""

    version: str


class Sent(NamedTuple):
    """What of a Kafka record the workers look at."""

    key: bytes | None
    value: bytes | None
    offset: int = 7


def of(champion: Named, **other: Any) -> Promotion:
    return Promotion(champion=champion, **({"actor": "noor"} | other))


def sent(promotion: Promotion, offset: int = 7) -> Any:
    return Sent(KEY, encode(promotion), offset)


def fake_open(promotion: Promotion) -> Rollout:
    if promotion.champion == C:
        raise ArtifactRefused("a byte was changed")
    challenger = promotion.challenger
    beside = Challenger(Scorer(challenger.version), POLICY, promotion.share) if challenger else None  # type: ignore[arg-type]
    return Rollout(Scorer(promotion.champion.version), POLICY, beside)  # type: ignore[arg-type]


def models(*held: Any) -> Models:
    made = Models(fake_open, lambda: Rollout(None, POLICY))
    made.begin(held)
    return made


def in_force(made: Models) -> str | None:
    return made.rollout.scorer and made.rollout.scorer.version


def test_without_a_promotion_the_workers_own_are_in_force_and_then_what_is_promoted() -> None:
    made = models()
    assert in_force(made) is None
    made.take(sent(of(A)))
    assert in_force(made) == A.version
    made.take(sent(of(B, challenger=A, share=0.2)))
    assert in_force(made) == B.version
    assert made.rollout.challenger
    assert (made.rollout.challenger.scorer.version, made.rollout.challenger.share) == (A.version, 0.2)
    made.take(sent(of(B)))
    assert made.rollout.challenger is None


def test_a_worker_that_starts_takes_the_last_promotion_that_it_can_load() -> None:
    assert in_force(models(sent(of(A)), sent(of(B)))) == B.version
    with structlog.testing.capture_logs() as logs:
        made = models(sent(of(A), 0), sent(of(B), 1), Sent(KEY, b"{", 2), sent(of(C), 3))
    assert in_force(made) == B.version
    assert [(each["event"], each["offset"]) for each in logs] == [
        ("models.refused", 3),
        ("models.refused", 2),
        ("models.promoted", 1),
    ]


def test_a_broken_model_of_the_workers_own_does_not_matter_once_another_was_promoted() -> None:
    def broken() -> Rollout:
        raise ArtifactRefused("a byte was changed")

    made = Models(fake_open, broken)
    made.begin([sent(of(A))])
    assert in_force(made) == A.version
    with pytest.raises(ArtifactRefused):
        Models(fake_open, broken).begin([sent(of(C))])


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Sent(KEY, b"{"), "not a promotion of a model"),
        (Sent(KEY, None), "not a promotion of a model"),
        (Sent(b"other", encode(of(A))), "not a promotion of a model"),
        (Sent(None, encode(of(A))), "not a promotion of a model"),
        (sent(of(A, actor="")), "it has no actor"),
        (sent(of(C)), "a byte was changed"),
    ],
)
def test_what_cannot_be_taken_is_refused_loudly_and_the_old_model_stays(record: Any, why: str) -> None:
    counted: list[None] = []
    made = Models(fake_open, lambda: Rollout(None, POLICY), lambda: counted.append(None))
    made.begin([sent(of(B))])
    with structlog.testing.capture_logs() as logs:
        made.take(record)
    assert (in_force(made), len(counted)) == (B.version, 1)
    assert logs == [{"event": "models.refused", "log_level": "error", "offset": 7, "why": why, "in_force": [B.version]}]


def decision(model: str, rules: str = "r") -> Decision:
    source = Coordinates("orders", "T", 0, 1)
    common = {"decision_id": "T:0:1", "revision": 1, "order_id": "o", "source": source, "occurred_at_ms": 1}
    return Decision(outcome="approve", mode="model", model=model, rules=rules, **common)  # type: ignore[arg-type]


def judge(model: str, rules: str = "r") -> Judge:
    return Judge(((model, 1.0),), rules)


def noted(made: Models, *chunks: tuple[int, int, list[Decision]]) -> list[Switch]:
    said: list[Switch] = []

    async def record(switch: Switch) -> None:
        said.append(switch)

    async def work() -> None:
        switches = Switches(made, record, "0")
        for chunk in chunks:
            await switches.note(*chunk)

    asyncio.run(work())
    return said


def switch(partition: int, offset: int, now: Judge, before: Judge | None) -> Switch:
    return Switch(partition=partition, offset=offset, judge=now, before=before, instance="0")


def test_a_switch_is_said_once_for_each_partition_with_the_first_offset_of_its_chunk() -> None:
    chunks = [
        (0, 10, [decision("a")]),
        (0, 20, [decision("a")]),
        (1, 5, [decision("a")]),
        (0, 30, []),
        (0, 40, [decision("b")]),
        (0, 50, [decision("b", "s")]),
    ]
    assert noted(models(), *chunks) == [
        switch(0, 10, judge("a"), None),
        switch(1, 5, judge("a"), None),
        switch(0, 40, judge("b"), judge("a")),
        switch(0, 50, judge("b", "s"), judge("b")),
    ]


def test_a_worker_that_goes_on_as_the_one_before_it_says_nothing() -> None:
    held = Sent(switch_key(0), encode(switch(0, 10, judge("a"), None)))
    assert noted(models(held), (0, 60, [decision("a")])) == []
    assert noted(models(held), (0, 60, [decision("b")])) == [switch(0, 60, judge("b"), judge("a"))]


def test_a_rollback_goes_to_the_roll_out_before_of_those_that_can_be_loaded() -> None:
    usable = lambda promotion: promotion.champion != C  # noqa: E731
    assert earlier([of(A), of(B)], usable).champion == A
    assert earlier([of(A), of(B), of(B, actor="sami"), of(C)], usable).champion == A
    assert earlier([of(B), of(C), of(A)], usable).champion == B
    assert earlier([of(A, challenger=B, share=0.5), of(A)], usable).share == 0.5


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ([], "nothing to go back from: no model that can be loaded was ever promoted"),
        ([of(C)], "nothing to go back from"),
        ([of(A)], f"nothing to go back to: no other was promoted before {A.version}"),
        ([of(C), of(A), of(A)], "nothing to go back to"),
    ],
)
def test_without_an_earlier_roll_out_a_rollback_says_so(known: list[Promotion], why: str) -> None:
    with pytest.raises(BadPromotion, match=why):
        earlier(known, lambda promotion: promotion.champion != C)


def test_who_promotes_is_told_of_others_just_before_and_since() -> None:
    before, since = Other(3, B.version, "noor"), Other(5, C.version, "sami")
    first = f"model {A.version} promoted at offset 4, in place of"
    assert told(Promoted(4, of(A), (), ())) == ([f"{first} the workers' own"], "")
    assert told(Promoted(4, of(A, challenger=B), (), ())) == (
        [f"{first} the workers' own", f"challenger {B.version} scores in shadow"],
        "",
    )
    assert told(Promoted(4, of(A, replaces=B.version, challenger=C, share=0.25), (before,), (since,))) == (
        [
            f"{first} {B.version}",
            f"challenger {C.version} decides 25.00% of orders",
            f"noor promoted {B.version} just before, at offset 3",
        ],
        f"sami promoted {C.version} since, at offset 5: that is in force",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("promoted") / "models"


@pytest.fixture(scope="module")
def versions(folder: Path) -> tuple[Named, Named, Named]:
    """Two of these definitions, one of others."""
    return saved(folder, 1), saved(folder, 2), saved(folder, 3, definitions="d" * 32)


def amana(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["models", *arguments], env={"AMANA_MODELS": str(folder)})


def test_a_promoted_version_is_loaded_with_its_own_policy_and_fixed_thresholds_in_its_place(
    folder: Path, versions: tuple[Named, ...]
) -> None:
    promotion = of(versions[0], challenger=versions[1], share=0.5)
    rollout = opened(promotion, Settings(models=folder, review_at=0.25))
    assert rollout.scorer
    assert rollout.challenger
    assert (rollout.scorer.version, rollout.challenger.scorer.version) == (versions[0].version, versions[1].version)
    assert (rollout.policy.review_at, rollout.challenger.policy.review_at) == (0.25, 0.25)
    manifest = artifact.read_manifest(folder, versions[1].version)
    assert rollout.challenger.policy.price_cents == manifest.policy.price_cents


def test_a_version_of_other_definitions_or_another_content_is_not_taken(
    folder: Path, versions: tuple[Named, ...]
) -> None:
    made = Models(lambda promotion: opened(promotion, Settings(models=folder)), lambda: Rollout(None, POLICY))
    made.begin([sent(of(versions[0]))])
    other_content = msgspec.structs.replace(versions[1], content="0" * 64)
    absent = Named("20260101-0123456789", "0" * 64)
    with structlog.testing.capture_logs() as logs:
        for named in (versions[2], other_content, absent):
            made.take(sent(of(named)))
    assert in_force(made) == versions[0].version
    assert [each["why"] for each in logs] == [
        f"model {versions[2].version} was trained on definitions {'d' * 32}, not on {DEFINITIONS.hash}",
        f"{folder / versions[1].version}: content hash {versions[1].content}, expected {'0' * 64}",
        f"{folder} has no model version '20260101-0123456789'",
    ]


def test_a_worker_without_a_public_key_takes_no_model(folder: Path, versions: tuple[Named, ...]) -> None:
    settings = Settings(models=folder, models_key=folder / "absent.pub")
    made = Models(lambda promotion: opened(promotion, settings), lambda: Rollout(None, POLICY))
    with structlog.testing.capture_logs() as logs:
        made.begin([sent(of(versions[0]))])
    assert in_force(made) is None
    assert "expected the public key of those who make models" in logs[0]["why"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["promote", "20260101-0123456789", "--actor", "noor"], 1, "has no model version '20260101-0123456789'"),
        (["promote", "FIRST"], 2, "Missing option '--actor'"),
        (["promote", "FIRST", "--actor", "\n"], 1, "it has no actor"),
        (["promote", "FIRST", "--actor", "noor", "--share", "0.5"], 1, "a share of orders, but no challenger"),
        (["promote", "FIRST", "--actor", "noor", "--share", "2"], 2, "2.0 is not in the range 0<=x<=1"),
        (["promote", "FIRST", "--actor", "noor", "--challenger", "FIRST"], 1, "champion and challenger are both"),
        (["promote", "FOREIGN", "--actor", "noor"], 1, "was trained on definitions dddddddd"),
        (["promote", "FIRST", "--actor", "noor", "--local", "--challenger", "SECOND"], 2, "no challenger"),
    ],
)
def test_a_promotion_that_would_be_refused_is_not_sent(
    folder: Path, versions: tuple[Named, ...], arguments: list[str], status: int, message: str
) -> None:
    names = dict(zip(("FIRST", "SECOND", "FOREIGN"), (each.version for each in versions), strict=True))
    result = amana(folder, *(names.get(each, each) for each in arguments))
    assert result.exit_code == status
    assert message in result.stderr


def test_without_a_broker_a_promotion_is_one_clear_line(folder: Path, versions: tuple[Named, ...]) -> None:
    """In a process of its own: the client leaves its sockets to the garbage collector."""
    command = [sys.executable, "-m", "streams.cli", "models", "promote", versions[0].version, "--actor", "noor"]
    env = os.environ | {"AMANA_MODELS": str(folder), "AMANA_BROKERS": "127.0.0.1:1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "no broker answered at 127.0.0.1:1: " in done.stderr.splitlines()[-1]


def test_without_servers_a_version_is_put_in_use_and_back_in_its_folder(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "models", 1), saved(tmp_path / "models", 2)
    done = amana(tmp_path / "models", "promote", second.version, "--local", "--actor", "noor")
    assert done.stdout == f"model {second.version} is in use, in place of {first.version}\n"
    assert artifact.current(tmp_path / "models") == second.version
    back = amana(tmp_path / "models", "rollback", "--local", "--actor", "noor")
    assert back.stdout == f"model {first.version} is in use, in place of {second.version}\n"
    assert artifact.current(tmp_path / "models") == first.version


def test_two_promotions_at_once_are_both_told_and_the_later_is_in_force_for_everybody() -> None:
    async def both(brokers: str) -> Any:
        return await asyncio.gather(promote(brokers, of(A)), promote(brokers, of(B, actor="sami")))

    with Kafka() as kafka:
        make_topics(kafka.brokers, 2)
        first, second = sorted(asyncio.run(both(kafka.brokers)), key=lambda done: done.offset)
        held = asyncio.run(promotions(kafka.brokers))
        read = asyncio.run(entries(kafka.brokers))
        listed = amana(Path(), "log", "--brokers", kafka.brokers)
    assert [(offset, promotion.champion) for offset, promotion in held] == [
        (0, first.promotion.champion),
        (1, second.promotion.champion),
    ]
    earlier_is_known = second.promotion.replaces == first.promotion.champion.version
    assert earlier_is_known or [each.offset for each in second.between] == [0]
    assert second.after == ()
    workers = [models(*(sent(each.said, each.offset) for each in read if isinstance(each.said, Promotion)))] * 2
    assert [in_force(worker) for worker in workers] == [second.promotion.champion.version] * 2
    assert "noor" in listed.stdout
    assert "sami" in listed.stdout


def test_models_keys_makes_a_pair_once(tmp_path: Path) -> None:
    path = tmp_path / "signing" / "models.key"
    assert amana(tmp_path, "keys", str(path)).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert signing.trusted(path.with_suffix(".pub")).signed(b"m", signing.signer(path).sign(b"m"))
    again = amana(tmp_path, "keys", str(path))
    assert (again.exit_code, "keys are never overwritten" in again.stderr) == (1, True)
