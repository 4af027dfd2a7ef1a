"""Options that name a server are checked before anything is started, and never repeated where they may hold secrets."""

import click
import pytest
from click.testing import CliRunner

from events.addresses import addresses
from events.errors import BadAddress
from events.options import TEXT
from events.publisher import Publisher
from streams.cli import log_level, main
from tests.streams.test_cli import commands


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("kafka", ["kafka"]),
        ("127.0.0.1:9092", ["127.0.0.1:9092"]),
        ("a.example:9092, b-2:65535", ["a.example:9092", "b-2:65535"]),
        ("[::1]:9092", ["[::1]:9092"]),
    ],
)
def test_brokers_are_hosts_with_or_without_a_port(given: str, found: list[str]) -> None:
    assert addresses(given) == found


WRONG_BROKERS = ["", ",", "a:9092,", "a:b", "a:x:9092", "a:0", "a:65536", "http://a:9092", "a b"]


@pytest.mark.parametrize("given", WRONG_BROKERS)
def test_what_is_no_address_of_brokers_is_refused_by_the_publisher(given: str) -> None:
    with pytest.raises(BadAddress, match="expected brokers as HOST:PORT"):
        Publisher(given, timeout_s=0.5)


@pytest.mark.parametrize("given", ["a:b", ","])
@pytest.mark.parametrize(
    "command",
    [
        ["intake"],
        ["topics", "list"],
        ["publish", __file__],
        ["simulate"],
        ["features", "show", "o-1"],
        [
            "cases",
            "decide",
            "o-1",
            "--fraud",
            "--reason",
            "told so",
            "--actor",
            "me",
            "--database",
            "x",
            "--keyring",
            "y",
        ],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_and_is_wrong_usage_of_every_command(command: list[str], given: str) -> None:
    result = CliRunner().invoke(main, [*command, "--brokers", given])
    assert result.exit_code == 2
    assert "expected brokers as HOST:PORT" in result.stderr


@pytest.mark.parametrize("given", ["nonsense", "http://:hunter2@a", "redis+cluster://a:x,b:1"])
@pytest.mark.parametrize(
    "command",
    [
        ["screen", "--redis"],
        ["features", "entity", "ip", "--ip", "203.0.113.7", "--redis"],
        ["features", "migrate", "--to", "redis://b/1", "--from"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_no_address_of_a_feature_store_is_wrong_usage_and_not_repeated(command: list[str], given: str) -> None:
    result = CliRunner().invoke(main, [*command, given])
    assert result.exit_code == 2
    assert "expected redis://HOST:PORT/0, or redis+cluster://HOST:PORT,HOST:PORT" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_metrics_are_served_at_a_port_that_exists(port: str) -> None:
    assert CliRunner().invoke(main, ["intake", "--metrics-port", port]).exit_code == 2


def test_the_logs_level_is_taken_in_either_case_and_checked() -> None:
    assert log_level({}) == "INFO"
    assert log_level({"AMANA_LOG_LEVEL": "debug"}) == "DEBUG"
    result = CliRunner().invoke(main, ["intake"], env={"AMANA_LOG_LEVEL": "loud"})
    assert result.exit_code == 2
    assert "AMANA_LOG_LEVEL: expected one of DEBUG, INFO, WARNING, ERROR" in result.stderr


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["delivery", "retry", "\udcff"], "JTI"),
        (["delivery", "pause", "acquirer", "--actor", "\udcff"], "--actor"),
        (["contracts", "approve", "a.yaml", "--signer", "\udcff", "--demo"], "--signer"),
        (["requests", "approve", "\udcff", "--actor", "noura"], "REFERENCE"),
        (["cases", "show", "\udcff"], "ORDER_ID"),
        (["migrate", "--database", "sqlite:///\udcff"], "--database"),
    ],
    ids=lambda words: words if isinstance(words, str) else " ".join(words[:2]),
)
def test_text_with_bytes_that_are_no_utf_8_is_wrong_usage(words: list[str], option: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        f"Error: Invalid value for '{option}': expected text in UTF-8",
    )


def test_text_of_any_language_is_taken_as_it_is() -> None:
    for text in ("noura", "نورة", "", "😀", "a\nb"):
        assert TEXT.convert(text, None, None) == text


def test_whatever_a_command_takes_as_text_is_utf_8() -> None:
    """Click's own STRING lets through what can be neither printed nor stored."""
    unchecked = [
        f"{' '.join(path)} {parameter.opts[0]}"
        for path, command in commands(main, "amana")
        for parameter in command.params
        if parameter.type is click.STRING and not getattr(parameter, "is_flag", False)
    ]
    assert unchecked == []


@pytest.mark.parametrize("words", [["delivery", "limit", "acquirer"], ["deliverer"], ["partner-api"]], ids=" ".join)
def test_a_daily_volume_is_one_that_is_stored(words: list[str]) -> None:
    result = CliRunner().invoke(main, [*words, "--per-day", "9" * 30])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        f"Error: Invalid value for '--per-day': {'9' * 30} is not in the range 1<=x<=1000000000.",
    )
