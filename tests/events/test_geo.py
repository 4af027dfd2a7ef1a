from datetime import datetime

import pytest

from events import geo


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("8.8.8.8", "US"),
        ("94.200.0.1", "AE"),
        ("2a02:cb80::1", "SA"),
        ("100.64.1.2", "SA"),
        ("100.77.1.2", "TR"),
        ("2001:db8:48:1::2", "US"),
        ("198.18.5.1", "NL"),
        ("203.0.113.7", None),
        ("2001:db8:1:2:3:4:5:6", None),
        ("192.168.0.1", None),
        ("::1", None),
        ("fe80::1", None),
        ("not an address", None),
    ],
)
def test_an_address_is_of_the_country_whose_registry_assigned_it(ip: str, country: str | None) -> None:
    assert geo.country_of(ip) == country


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ("SA", "AE", 868),
        ("AE", "SA", 868),
        ("SA", "SA", 0),
        ("GB", "AU", 16_994),
        ("US", "NZ", 14_195),
        ("SA", "XX", None),
    ],
)
def test_a_distance_is_between_the_countries_principal_places(one: str, other: str, km: int | None) -> None:
    assert geo.distance_km(one, other) == km


@pytest.mark.parametrize(
    ("country", "moment", "minutes"),
    [
        ("SA", "2026-01-02T00:00:00Z", 180),
        ("US", "2026-03-08T06:59:59Z", -300),
        ("US", "2026-03-08T07:00:00Z", -240),
        ("IN", "2026-01-02T00:00:00Z", 330),
        ("RU", "2026-01-02T00:00:00Z", 180),
        ("US", "0001-01-01T00:00:00Z", -300),
        ("US", "9999-12-31T23:59:59Z", -300),
        ("XX", "2026-01-02T00:00:00Z", None),
    ],
)
def test_clocks_follow_the_country_and_the_season(country: str, moment: str, minutes: int | None) -> None:
    at_ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
    assert geo.utc_offset_min(country, at_ms) == minutes
