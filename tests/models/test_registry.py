"""Which version of a folder is in use, who said so and when."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from models import artifact, registry
from models.errors import ArtifactRefused, BadPromotion, NoModel
from models.registry import Use


@pytest.fixture(scope="module")
def registered(tmp_path_factory, trained):
    """A folder of three versions, the first in use, and their names."""
    folder = tmp_path_factory.mktemp("registered")
    names = [artifact.save(folder / "models", msgspec.structs.replace(trained, seed=seed)) for seed in (7, 8, 9)]
    return folder, names


@pytest.fixture
def folder(tmp_path, registered):
    shutil.copytree(registered[0], tmp_path / "copied")
    return tmp_path / "copied" / "models"


@pytest.fixture
def versions(registered):
    return registered[1]


def test_a_promotion_puts_a_version_in_use_and_is_kept_with_who_and_when(folder, versions):
    first, second, _ = versions
    used = registry.promote(folder, second, "noor", 1_780_000_000_000)
    content = artifact.check(folder, second).content
    assert used == Use(1_780_000_000_000, "noor", second, content, first)
    assert registry.uses(folder) == [used]
    assert artifact.load(folder).version == second


def test_a_rollback_is_a_promotion_of_the_one_before_and_a_second_undoes_it(folder, versions):
    first, second, third = versions
    for at, version in enumerate((second, third)):
        registry.promote(folder, version, "noor", at)
    assert registry.rollback(folder, "sami", 2).version == second
    assert artifact.current(folder) == second
    assert registry.rollback(folder, "sami", 3).version == third
    said = [(use.at_ms, use.actor, use.version, use.replaces) for use in registry.uses(folder)]
    assert said == [
        (0, "noor", second, first),
        (1, "noor", third, second),
        (2, "sami", second, third),
        (3, "sami", third, second),
    ]


def test_a_version_that_was_promoted_twice_is_not_what_a_rollback_goes_back_to(folder, versions):
    first, second, _ = versions
    registry.promote(folder, second, "noor", 0)
    registry.promote(folder, second, "noor", 1)
    assert registry.rollback(folder, "sami", 2).version == first
    assert artifact.current(folder) == first


def test_a_last_line_that_was_cut_off_is_left_out_and_written_over(folder, versions):
    first, second, _ = versions
    registry.promote(folder, second, "noor", 0)
    log = folder / "promotions.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:40])
    assert registry.rollback(folder, "sami", 1).version == first
    assert [(use.actor, use.version) for use in registry.uses(folder)] == [("noor", second), ("sami", first)]


def test_there_is_nothing_to_go_back_to_before_a_promotion(folder, versions):
    with pytest.raises(BadPromotion, match="nothing to go back to: no version was put in place of another"):
        registry.rollback(folder, "noor", 0)
    assert artifact.current(folder) == versions[0]


def test_a_version_that_cannot_be_loaded_is_not_put_in_use(folder, versions):
    (folder / versions[1] / "README.md").write_text("")
    with pytest.raises(ArtifactRefused, match=r"README\.md: content hash"):
        registry.promote(folder, versions[1], "noor", 0)
    with pytest.raises(NoModel, match="has no model version"):
        registry.promote(folder, "20260101-0123456789", "noor", 0)
    with pytest.raises(BadPromotion, match="expected an actor"):
        registry.promote(folder, versions[1], "", 0)
    assert (artifact.current(folder), registry.uses(folder)) == (versions[0], [])


def test_two_promotions_at_once_come_one_after_the_other_and_the_later_stays(folder, versions):
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda at: registry.promote(folder, versions[at], f"a{at}", at), (1, 2))
    first, last = registry.uses(folder)
    assert {first, last} == {one, other}
    assert (first.replaces, last.replaces) == (versions[0], first.version)
    assert artifact.current(folder) == last.version


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[]"])
def test_a_log_that_is_not_ours_is_refused(folder, versions, line):
    (folder / "promotions.jsonl").write_bytes(line + b"\n")
    with pytest.raises(ArtifactRefused, match=r"promotions\.jsonl: not a log of promotions"):
        registry.rollback(folder, "noor", 0)
