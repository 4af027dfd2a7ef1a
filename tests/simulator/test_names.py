from random import Random

import phonenumbers
import pytest
from email_validator import validate_email

from events.cards import holds_card_number
from simulator import names, places
from simulator.places import Country

every_country = pytest.mark.parametrize("country", places.COUNTRIES, ids=lambda country: country.code)


@every_country
def test_every_telephone_number_is_valid_in_its_country(country: Country) -> None:
    for seed in range(300):
        written = names.phone(Random(seed), country)
        number = phonenumbers.parse(written, country.code)
        assert phonenumbers.is_valid_number(number), written
        assert phonenumbers.region_code_for_number(number) == country.code
        assert not holds_card_number(written)


@every_country
def test_every_email_address_is_valid(country: Country) -> None:
    for seed in range(100):
        email = names.contact(Random(seed), country).email
        assert email is not None
        assert validate_email(email, check_deliverability=False).normalized == email


@every_country
def test_an_address_names_its_country_and_one_of_its_cities(country: Country) -> None:
    address = names.address(Random(1), country)
    assert address.country == country.code
    assert address.city in {spelling for city in country.cities for spelling in city}


@every_country
def test_no_internet_address_belongs_to_anybody(country: Country) -> None:
    rng = Random(2)
    for _ in range(200):
        for ip in (places.home_ip(rng, country), places.mobile_ip(rng, country), places.exit_ip(rng)):
            assert ip.startswith(("100.", "198.18.", "2001:db8:"))
            first, second = ip.split(".")[:2] if "." in ip else ("100", "64")
            assert (first, 64 <= int(second) < 128) in {("100", True), ("198", False)}


@pytest.mark.parametrize(
    ("dollars", "currency", "minor"),
    [(10.0, "SAR", 3750), (10.0, "KWD", 3050), (10.0, "USD", 1000), (0.001, "BHD", 50), (1.0, "OMR", 400)],
)
def test_prices_are_in_the_currencys_own_minor_units(dollars: float, currency: str, minor: int) -> None:
    assert places.minor_units(dollars, currency) == minor
