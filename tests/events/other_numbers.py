"""Numbers that are something else than a card's: order ids, phones, accounts, parcels, texts about goods."""

import random
import string
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def gs1(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return digits + str((10 - total % 10) % 10)


def iban(rng: random.Random, country: str, length: int) -> str:
    account = "".join(rng.choices(string.digits, k=length - 4))
    rest = int("".join(str(int(char, 36)) for char in account + country + "00")) % 97
    return f"{country}{98 - rest:02d}{account}"


def spaced(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def other_numbers(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Kind and text of one of each."""

    def digits(count: int) -> str:
        return "".join(rng.choices(string.digits, k=count))

    moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(30_000_000), microseconds=rng.randrange(10**6)
    )
    yield "order id", f"ORD-{moment:%Y%m%d}-{digits(6)}"
    yield "order id", digits(10)
    yield "order id", f"{rng.choice('147')}{digits(2)}-{digits(7)}-{digits(7)}"
    yield "order id", f"#{digits(4)}-{digits(4)}"
    yield "order id", str(1_180_000_000_000_000_000 + rng.randrange(10**17))
    yield "uuid", str(uuid.UUID(int=rng.getrandbits(128), version=4))
    yield "hexadecimal", f"sess_{rng.getrandbits(128):032x}"
    yield "hexadecimal", f"{rng.getrandbits(256):064x}"
    yield "phone", f"+9665{digits(8)}"
    yield "phone", f"+971 5{digits(1)} {digits(3)} {digits(4)}"
    yield "phone", f"00966 5{digits(1)} {digits(3)} {digits(4)}"
    yield "phone", f"+49 15{digits(1)} {digits(4)} {digits(4)}"
    yield "phone", f"05{digits(8)} / 05{digits(8)}"
    yield "phone", f"050 {digits(3)} {digits(4)}, 055 {digits(3)} {digits(4)}"
    country, length = rng.choice([("SA", 24), ("AE", 23), ("KW", 30), ("DE", 22), ("FR", 27), ("GB", 22)])
    yield "iban", iban(rng, country, length)
    yield "iban", f"IBAN {spaced(iban(rng, country, length))} BANK"
    yield "parcel", f"1Z{rng.getrandbits(24):06X}{digits(10)}"
    yield "parcel", gs1("94" + digits(19))
    yield "parcel", spaced(gs1("92" + digits(19)))
    yield "parcel", "00" + gs1("3" + digits(16))
    yield "parcel", f"RR{digits(9)}SA"
    yield "parcel", digits(12)
    yield "article", gs1("40" + digits(10))
    yield "article", gs1("628" + digits(9))
    yield "time", moment.isoformat()
    yield "time", f"{moment:%Y%m%d%H%M%S}"
    yield "time", str(int(moment.timestamp() * 1000))
    yield "time", str(int(moment.timestamp() * 1_000_000))
    yield "time", f"from {moment:%Y-%m-%d %H:%M:%S} to {moment + timedelta(hours=2):%Y-%m-%d %H:%M:%S}"
    yield (
        "address",
        f"شارع {digits(3)}، حي {digits(2)}، {digits(5)}-{digits(4)}، ص.ب {digits(5)}".translate(_ARABIC),
    )
    yield "address", f"{digits(4)} King Fahd Rd, Unit {digits(2)}, Riyadh {digits(5)}-{digits(4)}"
    yield "network", f"192.168.{rng.randrange(256)}.{rng.randrange(256)} 10.{rng.randrange(256)}.0.{rng.randrange(256)}"
    yield (
        "product",
        f'Galaxy S{rng.randrange(20, 30)} Ultra {rng.choice((128, 256, 512))}GB, 6.{digits(1)}", 200/50/12 MP',
    )
    yield (
        "product",
        f"هاتف ذكي {digits(3)} جيجابايت، مقاس {digits(2)}.{digits(1)} بوصة، {digits(4)} مللي أمبير، موديل 2025",
    )
    yield "product", f"سعر {digits(3)},{digits(3)}.00 ريال بدلا من {digits(3)},{digits(3)}.00 ريال (خصم {digits(2)}%)"
    yield "product", f"Trousers, sizes 30-32-34-36, {digits(2)}% cotton, ref. {digits(8)}/{digits(3)}"
    yield "product", f"<ul><li>{digits(2)} x {digits(2)} cm</li><li>{digits(3)} g</li><li>Art. {digits(6)}</li></ul>"
    yield (
        "product",
        f"<b>جديد</b> ساعة ذكية&nbsp;{digits(2)} مم &amp; شحن فوق {digits(3)} ريال",
    )
    yield (
        "product",
        f"شاحن {digits(2)} واط، كابل {digits(1)}.{digits(1)} م، 100-240 فولت، 50/60 هرتز".translate(_ARABIC),
    )
    yield (
        "product",
        f"Set of {digits(1)}: {digits(2)}x{digits(2)} & {digits(3)}x{digits(2)} cm",
    )
    yield "order id", f"{rng.choice('ABCXYZ')}{digits(2)}-{digits(4)}-{digits(4)}"
    yield "parcel", f"JD{digits(18)}"
    yield "parcel", f"TBA{digits(12)}"
    yield "link", f"https://shop.example/p/{digits(8)}?utm_source=mail&utm_id={digits(10)}&size={digits(2)}"
    yield "link", f"/search?q=%D9%87%D8%A7%D8%AA%D9%81+{digits(2)}&page={digits(1)}&min={digits(3)}&max={digits(4)}"
    yield (
        "agent",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/{digits(3)}.0.{digits(4)}.{digits(3)} Safari/537.36",
    )
