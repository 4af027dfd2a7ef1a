import pytest
from babel.messages.pofile import read_po

from review.console.extraction import extracted
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
