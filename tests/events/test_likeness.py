import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.likeness import name_in_email


@pytest.mark.parametrize(
    ("name", "email", "share"),
    [
        ("Layla Al-Otaibi", "laylaotaibi@gmail.com", 1),
        ("محمد العتيبي", "mohammed_alotaibi12@example.com", 1),
        ("مُحَمَّد العتيبي", "muhamad77@example.com", 0.5),
        ("فاطمة بنت خالد", "fatima.khalid@example.com", 1),
        ("ليلى", "ليلى@example.com", 1),
        ("عبدالرحمن القحطاني", "abdulrahman.kahtani@example.com", 1),
        ("James Smith", "jsmith@example.com", 0.5),
        ("Anna Müller", "anna.mueller@example.de", 1),
        ("Ali Hassan Saleh", "ali.h@example.com", 0.33),
        ("James Smith", "smith@james.example", 0.5),
        ("Hassan", "hasssan@example.com", 1),
        ("چنگیز پاشا", "changez.pasha@example.com", 1),
        ("Qaseem", "Kassim.99@Example.com", 1),
        ("Qaseem", "ka-ss-im@example.com", 1),
        ("James Smith", "falcon7@example.com", 0),
        ("علي", "ali@example.com", None),
        ("王芳", "wang.fang@example.com", None),
        ("J O", "jo@example.com", None),
        ("1234", "1234@example.com", None),
        ("", "x@example.com", None),
    ],
)
def test_a_names_words_are_looked_for_in_the_address(name: str, email: str, share: float | None) -> None:
    assert name_in_email(name, email) == share


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_texts_give_a_share_or_nothing(name: str, local: str) -> None:
    found = name_in_email(name, f"{local}@example.com")
    assert found is None or 0 <= found <= 1
