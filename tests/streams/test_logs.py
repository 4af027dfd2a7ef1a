"""Logs say where and what kind, and never what somebody sent."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from events.errors import AmanaError
from streams import logs
from streams.worker import describe
from vault.errors import KeyringError

SECRET = "layla@example.com"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers[:], root.level = before, level
    for name, quiet in levels.items():
        logging.getLogger(name).setLevel(quiet)
    structlog.reset_defaults()


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert SECRET not in captured.err
    return [json.loads(line) for line in captured.err.splitlines()]


def broken() -> None:
    raise ValueError(SECRET)


def test_our_messages_are_printed_whole_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().warning("store.behind", partition=3, fence=7)
    (line,) = printed(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "store.behind", "level": "warning", "partition": 3, "fence": 7}


def test_an_exception_is_printed_by_type_and_place_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        broken()
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("it failed with %s", SECRET)
    for line in printed(capsys):
        assert line["error"] == "ValueError"
        assert line["at"][-1].startswith(__file__)


def test_a_librarys_message_is_printed_as_its_template_without_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("library").warning("bad value %r at %d\n  %s", SECRET, 3, SECRET)
    (line,) = printed(capsys)
    assert (line["event"], line["logger"]) == ("bad value %r at %d", "library")


def test_the_loops_own_report_of_a_lost_task_says_nothing_personal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()

    async def work() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": ValueError(SECRET)})

    asyncio.run(work())
    (line,) = printed(capsys)
    assert line["error"] == "ValueError"


def test_chatty_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    for name in logs.QUIET:
        logging.getLogger(name).info("hello")
    logging.getLogger("aiokafka").warning("lost")
    assert [line["event"] for line in printed(capsys)] == ["lost"]


def test_a_level_that_was_asked_for_is_kept_to(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ERROR")
    structlog.get_logger().warning("quiet")
    logging.getLogger("aiokafka").warning("quiet")
    structlog.get_logger().error("loud")
    assert [line["event"] for line in printed(capsys)] == ["loud"]


def test_a_failure_of_ours_is_described_by_its_message_and_anothers_by_its_place() -> None:
    assert describe(KeyringError("keys: mode is 644")) == {"error": "KeyringError", "message": "keys: mode is 644"}
    assert describe(AmanaError("topic orders is gone")) == {"error": "AmanaError", "message": "topic orders is gone"}
    with pytest.raises(ValueError, match=SECRET) as other:
        broken()
    described = describe(other.value)
    assert described["error"] == "ValueError"
    assert SECRET not in str(described)
