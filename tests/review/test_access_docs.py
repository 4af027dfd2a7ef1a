from review.access.docs import PAGE, page


def test_the_page_of_roles_is_the_one_that_the_tables_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m review.access.docs`"
