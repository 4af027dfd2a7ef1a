import base64
import logging
from random import Random

import pytest

from tests.sharing.salted import ARABIC, ECHOED, MARK, Salted, body
from tests.sharing.watching import Watch, canaries_in, without

NAME = f"Noura {MARK}{MARK} {ARABIC}{ARABIC}"


@pytest.mark.parametrize(
    "written",
    [
        NAME,
        NAME.upper(),
        NAME[::-1],
        NAME[9:20],
        NAME.encode().hex(),
        "A" + base64.b64encode(NAME.encode()).decode(),
        base64.urlsafe_b64encode(b"xx" + NAME.encode()).decode(),
        "".join(f"\\u{ord(char):04x}" for char in ARABIC),
        "".join(f"%{byte:02X}" for byte in ARABIC.encode()),
        ECHOED,
    ],
)
def test_a_canary_is_found_however_it_is_written(written: str) -> None:
    watch = Watch()
    watch.saw("topic", f"abc {written} def")
    assert list(watch.found()) == ["topic"]


def test_what_is_no_canary_is_not_found() -> None:
    rng = Random(4)
    watch = Watch()
    for _ in range(2_000):
        watch.saw("topic", base64.urlsafe_b64encode(rng.randbytes(90)))
    assert watch.found() == {}
    assert watch.bytes_seen == {"topic": 240_000}


def test_every_string_of_a_generated_order_that_may_hold_a_canary_does() -> None:
    made = Salted(3)
    for _ in range(100):
        order = made.order()
        for name in ("event_id", "order_id", "customer_id", "account_id", "session_id", "device_id", "user_agent"):
            assert canaries_in(str(order.get(name, MARK)).encode()), name
        for text in (order["contact"].get("name"), *(item["title"] for item in order["items"])):
            assert canaries_in(text.encode()), text
    assert canaries_in(body(order))


def test_an_id_that_goes_back_is_taken_off_where_it_is_whole_and_nowhere_else() -> None:
    assert without(b'{"a":"psp","b":"psp-1"}', ["psp"]) == b'{"a":"","b":"psp-1"}'


def test_logs_are_watched_with_their_tracebacks() -> None:
    watch, logger = Watch(), logging.getLogger("tests.watched")
    logger.propagate = False
    logger.addHandler(watch)
    try:
        raise ValueError(NAME)
    except ValueError:
        logger.exception("failed")
    assert list(watch.found()) == ["log"]
