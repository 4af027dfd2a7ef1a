import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import review
from review import workflow
from review.console.extraction import extracted
from review.console.trails import ACTIONS
from review.console.words import FOLDER, LANGUAGES, Words

NOW_MS = 1_800_000_000_000
TRANSLATED = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_pages_and_code_is_translated_and_no_other(language: str) -> None:
    with (FOLDER / language / "LC_MESSAGES" / "console.po").open("rb") as file:
        held = {message.id: message.string for message in read_po(file, locale=language) if message.id}
    assert set(held) == {message.id for message in extracted(language) if message.id}
    assert [text for text, translation in held.items() if not translation] == []


def test_money_times_and_countries_are_said_as_the_language_says_them() -> None:
    english, arabic = Words("en"), Words("ar")
    assert (english.direction, arabic.direction) == ("ltr", "rtl")
    assert english.money(129_950, "SAR") == "SAR\xa01,299.50"
    assert english.money(3_250, "KWD") == "KWD\xa03.250"
    assert english.money(900, "JPY") == "¥900"
    assert english.moment(NOW_MS) == "15 Jan 2027 08:00 UTC"
    assert (english.country("SA"), arabic.country("SA"), english.country("ZZ9")) == (
        "Saudi Arabia",
        "المملكة العربية السعودية",
        "ZZ9",
    )
    assert english.since(NOW_MS - 7_200_000, NOW_MS) == "2 hr. ago"
    assert arabic.text("Queue") == "قائمة الانتظار"


@pytest.mark.parametrize(
    ("number", "days"),
    [
        *[(0, "0 يوم"), (1, "يوم واحد"), (2, "يومان"), (3, "3 أيام"), (10, "10 أيام"), (11, "11 يومًا")],
        *[(99, "99 يومًا"), (100, "100 يوم"), (102, "102 يوم"), (103, "103 أيام"), (111, "111 يومًا")],
    ],
)
def test_arabic_counts_in_its_six_forms(number: int, days: str) -> None:
    assert Words("ar").count("{number} day", "{number} days", number) == days


def test_in_no_arabic_text_the_forms_of_eleven_and_of_a_hundred_change_places() -> None:
    """What is counted stands after 11 in the accusative (a masculine noun shows it), after 100 in the genitive."""
    with (FOLDER / "ar" / "LC_MESSAGES" / "console.po").open("rb") as file:
        plural = {m.id[0]: m.string for m in read_po(file, locale="ar") if isinstance(m.id, tuple | list)}
    ending = re.compile(r"\{number\} \w+(\N{ARABIC FATHATAN}|ا\N{ARABIC FATHATAN})")
    told = {text: tuple(bool(ending.search(forms[n])) for n in (4, 5)) for text, forms in plural.items() if forms}
    assert [text for text, (hundred, _) in told.items() if hundred] == []
    assert sorted(text for text, (_, eleven) in told.items() if eleven) == [
        "Who decided the last order",
        "{number} day",
        "{number} order",
        "{number} verdict was taken back; nothing of it has left.",
    ]


def test_latin_signs_of_currencies_lead_in_arabic_and_arabic_ones_follow() -> None:
    arabic = Words("ar")
    assert arabic.money(999_999, "USD") == "US$\xa09,999.99"
    assert arabic.money(999_999, "JPY") == "JP¥\xa0999,999"
    assert arabic.money(999_999, "KWD") == "\u200f999.999\xa0د.ك.\u200f"
    assert arabic.money(999_999, "XXZ") == "XXZ\xa09,999.99"


def test_in_arabic_nothing_stands_between_a_number_and_its_percent_sign() -> None:
    assert (Words("ar").share(0.932), Words("en").share(0.932)) == ("93.2%", "93.2 %")


def test_a_verdict_is_said_as_its_button_says_it() -> None:
    english, arabic = Words("en"), Words("ar")
    assert [english.value(each) for each in ("dismiss", "approve", "confirm_fraud")] == [
        *("approved", "approved", "confirmed fraud")
    ]
    assert [arabic.value(each) for each in ("dismiss", "approve", "confirm_fraud")] == [
        *("مقبول", "مقبول", "احتيال مؤكد")
    ]


def test_every_action_of_the_audit_trail_is_said_in_arabic() -> None:
    """What desks do, and whatever else review notes down by a constant name."""
    noted = set()
    for path in Path(review.__file__).parent.rglob("*.py"):
        noted |= set(re.findall(r"""\bnote\(\s*connection, [a-z.]+, "([a-z_.]+)\"""", path.read_text()))
    assert len(noted) > 10
    assert (noted | set(workflow.ACTIONS)) - set(ACTIONS) == set()
    assert [each for each in ACTIONS.values() if Words("ar").text(each) == each] == []


def test_two_columns_of_one_table_are_not_called_alike_in_arabic() -> None:
    arabic = Words("ar")
    assert (arabic.text("State"), arabic.text("Case")) == ("الوضع", "الحالة")
    assert arabic.text("Held by") == "بحوزة"
    assert arabic.value("decided") == arabic.text("Decided") == "محسومة"
