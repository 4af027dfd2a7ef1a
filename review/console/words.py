"""The console's texts by language (gettext catalogues), and numbers, money and times by locale (CLDR, by Babel).

Catalogues are read as they were written (.po): nothing is compiled beforehand. English texts are their own keys.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import dates, numbers
from babel.core import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from events import money
from models.decisions import Reason
from models.reasons import told
from review import views
from review.access.accounts import Language

FOLDER = Path(__file__).with_name("locale")
LANGUAGES: dict[Language, str] = {"en": "English", "ar": "العربية"}


def marked(english: str) -> str:
    """The text itself; the mark is for the extraction into catalogues."""
    return english


# Values of fields that are shown as words, without their underscores.
VALUES = (
    *(marked("open"), marked("decided"), marked("approved"), marked("review"), marked("block")),
    *(marked("card"), marked("wallet"), marked("bank transfer"), marked("cash on delivery"), marked("voucher")),
    *(marked("claimed"), marked("snoozed"), marked("waiting"), marked("reopened"), marked("joined")),
    *(marked("ask"), marked("escalate"), marked("snooze"), marked("reveal"), marked("second look"), marked("contest")),
    *(marked("agree"), marked("disagree"), marked("answer")),
    *(marked("order"), marked("last four digits"), marked("e-mail"), marked("phone")),
    *(marked("name"), marked("billing"), marked("shipping"), marked("network"), marked("browser")),
    *(marked("account takeover"), marked("card testing"), marked("friendly fraud"), marked("known customer")),
    *(marked("promotion abuse"), marked("reseller"), marked("triangulation")),
    *(marked("confirmed fraud"), marked("expired"), marked("refused"), marked("erased")),
)


# People read what their buttons say; the inner names of verdicts and outcomes stay the API's.
SAID = {
    "approve": "approved", "dismiss": "approved", "confirm_fraud": "confirmed fraud",
    "last4": "last four digits", "email": "e-mail", "ip": "network", "user_agent": "browser",
}  # fmt: skip


class Words:
    """What one language says; `direction` is the writing's. Times are UTC and say so."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.locale = Locale.parse(language)
        self.direction = "rtl" if self.locale.text_direction == "rtl" else "ltr"
        self.catalogue = catalogue(language)

    def text(self, english: str, **values: object) -> str:
        found = self.catalogue.gettext(english)
        return found.format(**{name: self._apart(value) for name, value in values.items()}) if values else found

    def _apart(self, value: object) -> object:
        """A name or an id in a sentence from right to left does not turn what stands beside it (Unicode's isolates)."""
        return f"\u2068{value}\u2069" if isinstance(value, str) and self.direction == "rtl" else value

    def value(self, name: str | None) -> str:
        """A field's value as words: one of VALUES."""
        return "" if name is None else self.text(SAID.get(name, name).replace("_", " "))

    def count(self, one: str, many: str, number: int) -> str:
        """By the language's own plural forms (Arabic has six)."""
        return self.catalogue.ngettext(one, many, number).format(number=self.number(number))

    def number(self, value: float) -> str:
        return numbers.format_decimal(value, locale=self.locale)

    def share(self, value: float) -> str:
        """In writing from right to left the sign clings to its number: apart from it, it would change sides."""
        return numbers.format_percent(
            value, format="#,##0.0%" if self.direction == "rtl" else "#,##0.0 %", locale=self.locale
        )

    def money(self, amount_minor: int, currency: str) -> str:
        """A code stands apart from its number (CLDR's currencySpacing, which Babel does not do).

        Latin letters lead in writing from right to left too: behind the number "US$" would turn into "$US".
        """
        amount = Decimal(amount_minor).scaleb(-money.EXPONENTS.get(currency, 2))
        if self.direction == "rtl" and re.search("[A-Z]", numbers.get_currency_symbol(currency, self.locale)):
            return numbers.format_currency(amount, currency, "\u00a4\N{NO-BREAK SPACE}#,##0.00", locale=self.locale)
        return re.sub(
            r"(?<=[A-Z])(?=[0-9])", "\N{NO-BREAK SPACE}", numbers.format_currency(amount, currency, locale=self.locale)
        )

    def moment(self, at_ms: int) -> str:
        return dates.format_datetime(_utc(at_ms), "d MMM y HH:mm", locale=self.locale) + " UTC"

    iso = staticmethod(views.iso)

    def clock(self, at_ms: int) -> str:
        return dates.format_time(_utc(at_ms), "HH:mm:ss", locale=self.locale)

    def country(self, code: str | None) -> str:
        """A country's name in the language; a code that CLDR does not know as it is."""
        return "" if code is None else self.locale.territories.get(code, code)

    def first_reason(self, reasons: Sequence[Reason]) -> str:
        said = told(reasons[:1], "analyst", self.language)
        return said[0] if said else ""

    def since(self, at_ms: int, now_ms: int) -> str:
        """How long ago, in the largest unit that fits."""
        seconds = (at_ms - now_ms) // 1000
        if self.language == "ar":  # of some of its units CLDR has no short form
            return dates.format_timedelta(seconds, add_direction=True, locale=self.locale)
        return dates.format_timedelta(seconds, add_direction=True, format="short", locale=self.locale)


@cache
def catalogue(language: Language) -> NullTranslations:
    path = FOLDER / language / "LC_MESSAGES" / "console.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
