import ipaddress
import logging
import unicodedata

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import canonical
from events.cards import fold_digits
from events.types import Address
from events.words import WORDS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("layla@example.com", "layla@example.com"),
        (" Layla.Otaibi@Example.COM ", "layla.otaibi@example.com"),
        ("La.y.la+shop@gmail.com", "layla@gmail.com"),
        ("layla+a@googlemail.com", "layla@gmail.com"),
        ("layla+a@outlook.com", "layla@outlook.com"),
        ("layla+a@example.com", "layla+a@example.com"),
        ("+a@outlook.com", "+a@outlook.com"),
        ("ｌａｙｌａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "layla@example.com"),
        ("layla@مثال.إختبار", "layla@xn--mgbh0fb.xn--kgbechtv"),
        ("layla@bücher.de", "layla@xn--bcher-kva.de"),
        ("ليلى@example.com", "ليلى@example.com"),
        ("layla", None),
        ("@example.com", None),
        ("layla@", None),
        ("layla@nowhere", None),
        ("la yla@example.com", None),
        (".layla@example.com", None),
        ("a" * 65 + "@example.com", None),
        ("layla@" + "a" * 300, None),
        ("", None),
    ],
)
def test_an_email_has_one_form(written: str, expected: str | None) -> None:
    assert canonical.email(written) == expected


@pytest.mark.parametrize(
    ("address", "provider"),
    [("a@gmail.com", "free"), ("a@yahoo.com", "free"), ("a@yopmail.com", "disposable"), ("a@example.com", "other")],
)
def test_an_email_provider_is_free_disposable_or_other(address: str, provider: str) -> None:
    assert canonical.email_provider(address) == provider


def test_lists_of_providers_do_not_overlap() -> None:
    assert not WORDS.disposable_providers & (WORDS.free_providers | WORDS.tagging_providers)


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("+966 50 123 4567", None, "+966501234567"),
        ("050 123 4567", "SA", "+966501234567"),
        ("٠٥٠١٢٣٤٥٦٧", "SA", "+966501234567"),
        ("\u202b+966-50-123-4567\u202c", "AE", "+966501234567"),
        ("00966501234567", "SA", "+966501234567"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("+966 050 123 4567", None, "+966501234567"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("+54 9 11 2345-6789", None, "+5491123456789"),
        ("+7 8 912 345-67-89", None, "+79123456789"),
        ("+966" + " " * 250 + "501234567", None, None),
        ("0501234567", None, None),
        ("0501234567", "XX", None),
        ("12", "SA", None),
        ("call me", "SA", None),
        ("", "SA", None),
    ],
)
def test_a_phone_number_has_one_form(written: str, country: str | None, expected: str | None) -> None:
    assert canonical.phone(written, country) == expected


def phone_by_the_library_alone(text: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(fold_digits(text), country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@st.composite
def dialled(draw: st.DrawFn) -> str:
    """A number of any country, with its code or an unknown one, prefixes that do not belong there, and separators."""
    code = draw(st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)) | st.integers(1, 999))
    prefix = draw(st.sampled_from(["", "", "0", "00", "1", "8", "9", "15"]))
    national = prefix + draw(st.text(alphabet="0123456789", min_size=6, max_size=10))
    separators = draw(st.lists(st.sampled_from(["", "", " ", "-", " - ", "(", ")"]), min_size=20, max_size=20))
    return f"+{code}" + "".join(map("".join, zip(separators, national, strict=False)))


@settings(deadline=None)
@given(
    dialled() | st.text(alphabet="+0123456789 -٠٥", max_size=300), st.sampled_from([None, "SA", "US", "AR", "RU", "ZZ"])
)
def test_a_phone_number_has_the_form_that_the_library_gives_it(text: str, country: str | None) -> None:
    assert canonical.phone(text, country) == phone_by_the_library_alone(text, country)


@pytest.mark.parametrize(
    ("written", "expected", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("2001:0DB8:0001:0002:0000:0000:0000:0001", "2001:db8:1:2::1", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::1", "fe80::/48"),
    ],
)
def test_an_address_of_the_internet_has_one_form_and_a_network(written: str, expected: str, network: str) -> None:
    assert canonical.ip(written) == expected
    assert canonical.network(expected) == network


OCTETS = st.integers(0, 260).map(str) | st.sampled_from(["0", "255", "1", "12", "00", "01", "٣", ""])
GROUPS = st.sampled_from(["0", "0", "1", "a", "FF", "c0de", "00ab", "12345", "", "ffff", "g"])
ADDRESSES = (
    st.lists(OCTETS, min_size=4, max_size=4).map(".".join)
    | st.lists(GROUPS, min_size=3, max_size=9).map(":".join)
    | st.ip_addresses().map(str)
    | st.ip_addresses(v=6).map(lambda address: address.exploded)
)


@settings(deadline=None)
@given(ADDRESSES, st.sampled_from(["", "", "", "\n", " ", "%1", "/24"]))
def test_an_address_of_the_internet_has_the_form_that_the_library_gives_it(text: str, after: str) -> None:
    try:
        address = ipaddress.ip_address(text + after)
    except ValueError:
        assert canonical.ip(text + after) is None
        return
    expected = str(getattr(address, "ipv4_mapped", None) or address).partition("%")[0]
    prefix = 48 if ":" in expected else 24
    assert canonical.ip(text + after) == expected
    assert canonical.network(expected) == str(ipaddress.ip_network(f"{expected}/{prefix}", strict=False))


@pytest.mark.parametrize("written", ["", "203.0.113", "203.0.113.256", "layla", "1.2.3.4/24", "010.1.1.1", "01.1.1.1"])
def test_what_is_no_address_of_the_internet_has_no_form(written: str) -> None:
    assert canonical.ip(written) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Layla Al-Otaibi", "LAYLA  AL OTAIBI"),
        ("José", "Jose\u0301"),
        ("أحمد", "احمد"),
        ("مُحَمَّد", "محمد"),
        ("فاطمة", "فاطمه"),
        ("ﻣﺤﻤﺪ", "محمد"),
        ("عبـــدالله", "عبدالله"),
        ("Straße", "STRASSE"),
    ],
)
def test_names_that_are_written_differently_have_one_form(one: str, other: str) -> None:
    assert canonical.name(one) == canonical.name(other) is not None


@settings(deadline=None)
@given(st.text(max_size=20) | st.text(alphabet="أإآٱىیةکـا\u064e٤４é -ﻣX", max_size=20))
def test_a_name_is_decomposed_folded_composed_and_parted(text: str) -> None:
    folded = fold_digits(unicodedata.normalize("NFKD", text))
    for letter, written_for in zip("أإآٱىیةک", "ااااييهك", strict=True):
        folded = folded.replace(letter, written_for)
    composed = unicodedata.normalize("NFKC", folded.replace("ـ", "")).casefold()
    words = "".join(char if char.isalnum() else " " for char in composed).split()
    assert canonical.name(text) == (" ".join(words) or None)


def test_names_of_different_people_stay_apart() -> None:
    assert len({canonical.name(name) for name in ("Layla", "Laila", "ليلى", "ليلي", "علي", "على", "عمر")}) == 5


def test_a_name_of_punctuation_has_no_form() -> None:
    assert canonical.name(" -- ") is None


def test_addresses_that_are_written_differently_have_one_form() -> None:
    one = Address(lines=("شارع الملك فهد ١٢", "شقة ٤"), city="الرياض", postal_code="12345", country="SA")
    other = Address(
        lines=("شارع الملك فهد 12,", " شقه 4"), city="الرياض ", postal_code="12345", region="x", country="SA"
    )
    assert canonical.address(one) == canonical.address(other) == "شارع الملك فهد 12 شقه 4|12345|الرياض|SA"


@pytest.mark.parametrize(
    ("change", "same"),
    [({"lines": ("a 1",)}, True), ({"lines": ("a 2",)}, False), ({"country": "AE"}, False), ({"city": "c"}, False)],
)
def test_another_line_city_or_country_is_another_address(change: dict[str, object], same: bool) -> None:
    given_address = {"lines": ("A 1",), "city": "b", "country": "SA"}
    assert (canonical.address(Address(**given_address)) == canonical.address(Address(**given_address | change))) is same


def test_a_city_alone_is_no_address() -> None:
    assert canonical.address(Address(city="Riyadh", country="SA")) is None


@pytest.mark.parametrize(
    ("agent", "families"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
            ("chrome", "windows"),
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", ("edge", "windows")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", ("safari", "ios")),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S911B) SamsungBrowser/23.0 Chrome/115.0 Safari/537.36",
            ("samsung", "android"),
        ),
        ("Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36; wv) Chrome/120.0", ("app", "android")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.0; rv:140.0) Gecko/20100101 Firefox/140.0", ("firefox", "macos")),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/120.0", ("chrome", "chromeos")),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0", ("headless", "linux")),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", ("bot", "other")),
        ("python-requests/2.32", ("script", "other")),
        ("curl/8.5.0", ("script", "other")),
        ("Chrome", ("chrome", "other")),
        ("layla@example.com", ("other", "other")),
    ],
)
def test_a_user_agent_is_a_family_of_browsers_and_of_systems(agent: str, families: tuple[str, str]) -> None:
    assert canonical.user_agent(agent) == families


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("", "/"),
        ("/product/123?utm=layla@example.com", "/product/:id"),
        ("/products/sku-9f8a7b6c", "/products/:id"),
        ("/AR/Cart/", "/ar/cart"),
        ("/reset/eyJhbGciOi.layla", "/reset/:x"),
        ("/user/layla/orders", "/user/:x/orders"),
        ("/user/ليلى", "/user/:x"),
        ("/order/٤١١١", "/order/:id"),
        ("/a/b/c/d/e/f", "/:x/:x/:x/:x"),
        ("//cart;jsessionid=1#x", "/cart"),
        ("https://shop.example/cart", "/:x/:x/cart"),
    ],
)
def test_a_path_is_a_template_of_known_pieces(path: str, template: str) -> None:
    assert canonical.route(path) == template


@given(st.text(max_size=60))
def test_a_template_holds_known_pieces_alone(path: str) -> None:
    pieces = canonical.route(path).split("/")[1:]
    assert len(pieces) <= 4
    assert set(pieces) <= WORDS.path_pieces | {":id", ":x", ""}


@pytest.mark.parametrize(
    ("referrer", "kind"),
    [
        (None, "none"),
        ("", "none"),
        ("/cart", "own"),
        ("https://shop.example/cart", "own"),
        ("https://www.google.com/search?q=layla", "search"),
        ("https://l.facebook.com/l.php", "social"),
        ("https://t.co/abc", "social"),
        ("//evil.example/google.com", "other"),
        ("https://notfacebook.com", "other"),
        ("https://[", "other"),
        ("layla", "other"),
    ],
)
def test_a_referrer_is_one_of_five_kinds(referrer: str | None, kind: str) -> None:
    assert canonical.referred_by(referrer, frozenset({"shop.example"})) == kind


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        (canonical.category, "electronics", "electronics"),
        (canonical.category, "Gift-Cards", "gift_cards"),
        (canonical.category, "layla-alotaibi", "other"),
        (canonical.decline_code, "insufficient_funds", "insufficient_funds"),
        (canonical.decline_code, "Do-Not-Honor", "do_not_honor"),
        (canonical.decline_code, "51", "51"),
        (canonical.decline_code, "0501234567", "other"),
        (canonical.policy_version, "2025-09", "2025-09"),
        (canonical.policy_version, "v1.2", "v1.2"),
        (canonical.policy_version, "0501234567", "other"),
        (canonical.policy_version, "layla", "other"),
    ],
)
def test_words_outside_a_closed_set_are_other(function: object, text: str, expected: str) -> None:
    assert callable(function)
    assert function(text) == expected


@given(st.text(max_size=80), st.sampled_from(["SA", "US", "ZZ", None]))
def test_no_text_makes_a_canonical_form_raise_or_log(text: str, country: str | None) -> None:
    heard: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        for function in (canonical.email, canonical.name, canonical.user_agent, canonical.referred_by):
            function(text)  # type: ignore[operator]
        canonical.ip(text)
        canonical.phone(text, country)
        canonical.address(Address(lines=(text,), postal_code=text[:16], country="SA"))
    finally:
        logging.getLogger().removeHandler(handler)
    assert heard == []


@given(st.text(max_size=40))
def test_a_canonical_email_is_its_own_canonical_form(text: str) -> None:
    found = canonical.email(f"{text}@Example.com")
    assert found is None or canonical.email(found) == found
