"""Names, addresses, e-mail addresses and telephone numbers of people who do not exist, drawn from lists."""

from random import Random

from events.types import Address, Contact
from simulator.places import Country, digits

_GIVEN_ARABIC = (
    ("محمد", "Mohammed"), ("أحمد", "Ahmed"), ("عبدالله", "Abdullah"), ("خالد", "Khalid"), ("سعود", "Saud"),
    ("فهد", "Fahad"), ("يوسف", "Yousef"), ("عمر", "Omar"), ("سلطان", "Sultan"), ("إبراهيم", "Ibrahim"),
    ("فاطمة", "Fatimah"), ("نورة", "Noura"), ("مريم", "Maryam"), ("سارة", "Sarah"), ("هند", "Hind"),
    ("ريم", "Reem"), ("لطيفة", "Latifa"), ("أمل", "Amal"), ("هدى", "Huda"), ("جواهر", "Jawaher"),
    ("ماجد", "Majed"), ("تركي", "Turki"), ("راشد", "Rashid"), ("حمد", "Hamad"), ("ليلى", "Layla"),
)  # fmt: skip
_FAMILY_ARABIC = (
    ("العتيبي", "Alotaibi"), ("القحطاني", "Alqahtani"), ("الغامدي", "Alghamdi"), ("الحربي", "Alharbi"),
    ("الشمري", "Alshammari"), ("الزهراني", "Alzahrani"), ("المطيري", "Almutairi"), ("الدوسري", "Aldosari"),
    ("الهاشمي", "Alhashimi"), ("المنصوري", "Almansoori"), ("الكعبي", "Alkaabi"), ("العنزي", "Alenezi"),
    ("الصباح", "Alsabah"), ("المري", "Almarri"), ("خليفة", "Khalifa"), ("البلوشي", "Albalushi"),
    ("حداد", "Haddad"), ("منصور", "Mansour"), ("الخطيب", "Alkhatib"), ("عبدالرحمن", "Abdulrahman"),
)  # fmt: skip
_GIVEN_LATIN = (
    "James", "Maria", "John", "Anna", "David", "Priya", "Rajesh", "Sophie", "Thomas", "Emily",
    "Lukas", "Chloé", "Ayşe", "Mehmet", "Fiona", "Daniel", "Grace", "Jose", "Angela", "Peter",
)  # fmt: skip
_FAMILY_LATIN = (
    "Smith", "Müller", "Dubois", "Kumar", "Nair", "Santos", "Reyes", "Brown", "Yılmaz", "Johnson",
    "O'Brien", "Schmidt", "Martin", "Khan", "Fernandes", "Wilson", "Garcia", "Thomas", "Weber", "Cruz",
)  # fmt: skip
_STREETS_ARABIC = ("شارع الملك فهد", "شارع التحلية", "طريق الأمير سلطان", "شارع العليا", "شارع الستين", "شارع الوحدة")
_DISTRICTS_ARABIC = ("حي النرجس", "حي الروضة", "حي السلامة", "حي الياسمين", "حي المروج", "حي الخالدية")
_STREETS_LATIN = ("King Fahd Road", "Al Wasl Road", "Station Road", "Hauptstrasse", "Corniche Street", "Park Avenue")
_PROVIDERS = (
    "gmail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com", "example.com", "mail.example",
    "mailinator.com", "yopmail.com",
)  # fmt: skip
_NICKNAMES = ("falcon", "desertrose", "moon", "gamer", "hello", "shopping", "family", "king", "sunshine", "dr", "blue")
_ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_TO_ASCII = str.maketrans("üéşıö'", "uesio_")


def contact(rng: Random, country: Country, nameless: float = 0.2, disposable: float = 0.01) -> Contact:
    """A person's name, e-mail address and telephone number, as they write them at every order.

    `nameless` is the share of addresses that have but initials of the name, `disposable` of those soon gone.
    """
    written, given, family = _name(rng, country)
    return Contact(name=written, email=email(rng, given, family, nameless, disposable), phone=phone(rng, country))


def _name(rng: Random, country: Country) -> tuple[str, str, str]:
    if country.arabic and rng.random() < 0.85:
        given, family = rng.choice(_GIVEN_ARABIC), rng.choice(_FAMILY_ARABIC)
        script = 0 if rng.random() < 0.6 else 1
        return f"{given[script]} {family[script]}", given[1], family[1]
    latin = rng.choice(_GIVEN_LATIN), rng.choice(_FAMILY_LATIN)
    return f"{latin[0]} {latin[1]}", *latin


def email(rng: Random, given: str, family: str, nameless: float, disposable: float) -> str:
    local = f"{given}{rng.choice(('.', '_', ''))}{family}".lower().translate(_TO_ASCII)
    number = rng.randrange(1, 9999)
    if number < nameless * 9999:
        local = f"{_NICKNAMES[number % len(_NICKNAMES)]}.{given[0]}{family[0]}".lower().translate(_TO_ASCII)
    weights = (46, 14, 12, 8, 9, 7, 4, 50 * disposable, 50 * disposable)
    return f"{local}{number}@{rng.choices(_PROVIDERS, weights)[0]}"


def phone(rng: Random, country: Country) -> str:
    """A valid mobile number: most in E.164, some as spoken at home, a few in Arabic-Indic digits."""
    national = digits(rng, rng.choice(country.mobile) + "#" * country.digits)
    form = rng.random()
    if form < 0.7:
        return f"+{country.dial}{national}"
    if form < 0.9:
        return f"+{country.dial} {national[:2]} {national[2:5]} {national[5:]}"
    spoken = country.trunk + national
    return spoken.translate(_ARABIC_DIGITS) if country.arabic and form > 0.97 else spoken


def address(rng: Random, country: Country) -> Address:
    city = rng.choice(country.cities)
    number = rng.randrange(1, 9000)
    if country.arabic and rng.random() < 0.55:
        lines = (f"{rng.choice(_DISTRICTS_ARABIC)}، {rng.choice(_STREETS_ARABIC)}", f"مبنى {number}")
        spelling = 0
    else:
        lines = (f"{number} {rng.choice(_STREETS_LATIN)}", f"Flat {rng.randrange(1, 60)}")
        spelling = 1
    postal = digits(rng, country.postal) if country.postal else None
    return Address(lines=lines, city=city[spelling], postal_code=postal, country=country.code)
