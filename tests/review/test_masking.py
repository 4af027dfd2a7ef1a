import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.types import Address
from review import masking


@pytest.mark.parametrize(
    ("mask", "text", "expected"),
    [
        (masking.name, "Noura Al-Saud", "N•••"),
        (masking.name, "نورة", "ن•••"),
        (masking.name, "\u202eNoura", "•••"),
        (masking.name, "", "•••"),
        (masking.email, "noura@example.com", "n•••@example.com"),
        (masking.email, "a@b@example.com", "a•••@example.com"),
        (masking.email, "noura", "•••"),
        (masking.email, "n@\x1b[2Jexample", "n•••@\\u{1b}[2Jexample"),
        (masking.phone, "+966 50 123 4567", "•••67"),
        (masking.phone, "٠٥٠١٢٣٤٥٦٧", "•••67"),
        (masking.phone, "112", "•••"),
        (masking.ip, "203.0.113.77", "203.0.113.0/24"),
        (masking.ip, "2001:db8:1:2::9", "2001:db8:1::/48"),
        (masking.ip, "\x1b]0;", "•••"),
        (masking.address, Address(lines=("Street 1",), city="Jeddah", postal_code="21577", country="SA"), "Jeddah, SA"),
        (masking.address, Address(country="SA"), "SA"),
    ],
)
def test_what_is_shown_is_exactly_this(mask: object, text: object, expected: str) -> None:
    assert mask(text) == expected  # type: ignore[operator]


@given(st.text(max_size=200))
def test_nothing_that_moves_hides_or_reorders_is_ever_printed(text: str) -> None:
    address = Address(lines=(text,), city=text, country="SA")
    shown = [masking.plain(text), masking.name(text), masking.email(text), masking.phone(text), masking.ip(text)]
    for each in (*shown, masking.address(address)):
        categories = {unicodedata.category(character) for character in each}
        assert not categories & {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
