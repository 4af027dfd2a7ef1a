"""A corpus of generated card numbers in disguise, and of numbers that are something else."""

import random
import sys
import time
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.cards import fold_digits, holds_card_number, may_hold_card_number
from tests.events.disguises import DISGUISES, ISSUERS, card_numbers, luhn_digit
from tests.events.other_numbers import other_numbers


@pytest.mark.parametrize("disguise", DISGUISES)
@settings(max_examples=40)
@given(number=card_numbers())
def test_a_card_number_is_found_in_every_disguise(disguise: str, number: str) -> None:
    text = DISGUISES[disguise](number)
    assert holds_card_number(text)
    assert may_hold_card_number(msgspec.json.encode({"note": text}))


@given(number=card_numbers(), data=st.data())
def test_a_card_number_split_anywhere_by_one_separator_is_found(number: str, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(number) - 1)))
    separator = data.draw(st.sampled_from([" ", "-", ".", "_", "/", " - ", "·", "\u200e", "|", "\u200b \u200b"]))
    pieces = [number[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(number)], strict=True)]
    assert holds_card_number(separator.join(pieces))


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "4222222222222", "5555 5555 5555 4444", "3782 822463 10005", "3056 930902 5904"],
)  # fmt: skip
def test_the_test_numbers_of_gateways_are_found(number: str) -> None:
    assert holds_card_number(number)


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111 1111-1111", "3782-822463 10005", "3056-930902 5904", "3782-822463 10005 12",
        "4111\u115f1111\u11601111\u31641111", "4111111\uffa0111111111", "41\u030111 1111 1111 1111",
        "41\u20dd11 1111 1111 1111", "41\u200d11 1111 1111 1111", "12<b>4111111111111111", "%af+378282246310005",
        "\\ud8004111111111111111", "4111\\n1111\\n1111\\n1111", "00004111111111111111", "+4111 1111 1111 1111",
        "3782822463100051226", "dead4111111111111111beef00", "9400 4111 1111 1111 1111 10",
        "SA00 4111 1111 1111 1111 0000", "XX12 4111 1111 1111 1111",
        "SA90 4111 1111 1111 1111 0000 4111 1111 1111 1111",
    ],
)  # fmt: skip
def test_a_card_number_is_found_with_what_stands_around_and_in_it(text: str) -> None:
    assert holds_card_number(text)
    assert may_hold_card_number(msgspec.json.encode(text)) is True


@pytest.mark.parametrize(
    "text",
    [
        "411-11111 1111 1111", "411 11111 1111-1111", "4111-1111 11111-111", "411-111 111-1111111",
        "0004222222222222", "+3782 822463 10005", "dead4111111111111111be1ef2", "9400 4111 1111 1111 1111 15",
        "SA90 4111 1111 1111 1111 0000", "SA90-4111-1111-1111-1111-0000", "4111 1111 1dead0be1ef2cafe0000 1111 1111",
        "\u00e9 4111X1111X1111X1111",
    ],
)  # fmt: skip
def test_digits_laid_out_as_no_card_is_or_in_a_number_of_another_kind_are_none(text: str) -> None:
    assert holds_card_number(text) is False


def test_escapes_are_undone_four_deep_and_no_deeper() -> None:
    layers = ["4111 1111 1111 1111"]
    for _ in range(5):
        layers.append(layers[-1].replace("%", "%25").replace(" ", "%20"))
    assert [holds_card_number(layer) for layer in layers] == [True] * 5 + [False]


@pytest.mark.parametrize(
    "body", [b'["411111111111","1111"]', b'{"note":"a & b"}', b'{"note":"4111111x11111111"}', "السعر ٤١١١".encode()]
)
def test_the_quick_look_passes_what_has_no_thirteen_digits_in_one_string(body: bytes) -> None:
    assert may_hold_card_number(body) is False


def _numbered(beginning: str, length: int) -> str:
    """A number of that beginning and length that passes Luhn's check and not that of articles."""
    for filling in range(100):
        body = beginning + f"{filling:02}".ljust(19, "7")
        number = body[: length - 1] + luhn_digit(body[: length - 1])
        if gs1_digit(number[:-1]) != number[-1]:
            return number
    raise AssertionError


def gs1_digit(digits: str) -> str:
    return str(-sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))) % 10)


def test_numbers_of_every_issuer_are_found_at_both_ends_of_its_range_and_in_no_length_that_it_does_not_use() -> None:
    known = {(prefix, length) for first, last, lengths in ISSUERS for length in lengths for prefix in {first, last}}
    assert [each for each in sorted(known) if not holds_card_number(_numbered(*each))] == []
    longer = {(prefix, length + 1) for prefix, length in known if prefix != "62"} | {
        ("5067", 15),
        ("4", 14),
        ("34", 16),
    }
    used = {
        (p, n) for p, n in longer if any(_is_of(p, first, last) and n in lengths for first, last, lengths in ISSUERS)
    }
    assert [each for each in sorted(longer - used) if each[1] <= 19 and holds_card_number(_numbered(*each))] == []


def _is_of(prefix: str, first: str, last: str) -> bool:
    return first <= prefix[: len(first)] <= last


@pytest.mark.parametrize(
    ("beginning", "length"),
    [
        ("50", 16), ("56", 16), ("2220", 16), ("2721", 16), ("33", 15), ("35", 15), ("306", 14), ("3094", 14),
        ("3096", 14), ("6010", 16), ("6012", 16), ("643", 16), ("660", 16), ("3527", 16), ("3590", 16), ("61", 16),
        ("80", 16), ("82", 16), ("5017", 16), ("5019", 16), ("2205", 16), ("2199", 16), ("8601", 16), ("9861", 16),
        ("9791", 16), ("6764", 16),
    ],
)  # fmt: skip
def test_a_number_beside_an_issuers_range_is_none(beginning: str, length: int) -> None:
    assert not holds_card_number(_numbered(beginning, length))


@given(number=card_numbers())
def test_a_number_with_a_wrong_check_digit_is_none(number: str) -> None:
    assert not holds_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_fewer_than_one_in_a_hundred_other_numbers_is_taken_for_a_card() -> None:
    rng = random.Random(7)
    tried: dict[str, int] = {}
    taken: dict[str, int] = {}
    for _ in range(400):
        for kind, text in other_numbers(rng):
            tried[kind] = tried.get(kind, 0) + 1
            taken[kind] = taken.get(kind, 0) + holds_card_number(text)
    assert sum(taken.values()) / sum(tried.values()) < 0.002
    assert {kind: count / tried[kind] for kind, count in taken.items() if count / tried[kind] >= 0.01} == {}


def test_every_digit_of_unicode_is_folded_and_looked_at() -> None:
    digits = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.digit(chr(code), None) is not None]
    assert len(digits) > 700
    assert [fold_digits(digit) for digit in digits] == [str(unicodedata.digit(digit)) for digit in digits]
    assert all(may_hold_card_number((digit * 13).encode()) for digit in digits)
    assert not may_hold_card_number("".join(f"{digit}x" for digit in digits).encode())


@given(st.text(max_size=200) | st.text(alphabet="4151- ١٢٣٤\u200f%", max_size=60))
def test_the_quick_look_never_passes_what_the_close_look_finds(text: str) -> None:
    if holds_card_number(text):
        assert may_hold_card_number(msgspec.json.encode([text]))


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 32_000, "4 " * 32_000, "9" * 64_000, "0" * 64_000, "4" * 19 + " - " * 20_000, "ab12" * 16_000,
        "<1" * 32_000, "%25" * 21_000, "\\u0034" * 9_000, "&#52;" * 12_000, "&a" * 32_000, ("4" + " " * 32) * 1_900,
    ],
)  # fmt: skip
def test_the_longest_text_is_searched_in_bounded_time(text: str) -> None:
    started = time.process_time()
    holds_card_number(text)
    assert time.process_time() - started < 3
