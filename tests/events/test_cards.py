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
from tests.events.disguises import DISGUISES, card_numbers
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
