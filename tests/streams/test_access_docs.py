from events.security import VARIABLES
from streams.access_docs import PAGE, page


def test_what_the_page_says_that_each_may_do_is_what_the_code_grants() -> None:
    assert page(PAGE.read_text()) == PAGE.read_text(), "run: python -m streams.access_docs"


def test_every_setting_of_how_kafka_is_reached_is_explained() -> None:
    assert [name for name in VARIABLES if f"`{name}`" not in PAGE.read_text()] == []
