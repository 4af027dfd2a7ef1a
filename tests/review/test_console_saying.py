"""What is refused is said in the browser's words and language, and elsewhere as it is raised."""

import ast
from pathlib import Path

import pytest

import review
from review.console.saying import SAID, said
from review.console.words import Words
from review.errors import StaleCase, TransitionRefused, Unfit
from review.workflow import ACTIONS, Work, after
from tests.review.examples import NOW_MS

ARABIC, ENGLISH = Words("ar"), Words("en")
SHOWN = ("TransitionRefused", "StaleCase", "UnknownCase", "NotFindable", "TooMany")


def raised() -> set[str]:
    """The sentences of the errors that a browser may be shown, as the room's code has them."""
    found = set()
    for path in Path(review.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHOWN:
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}: values go in by name"
                found.add(str(node.args[0].value))
    return found


def test_every_sentence_that_the_room_refuses_with_has_the_browsers_words() -> None:
    assert set(SAID) == raised()
    assert [each for each in SAID.values() if ARABIC.text(each) == each] == []


def refusal(action: str, work: Work, actor: str = "noura") -> TransitionRefused:
    with pytest.raises(TransitionRefused) as caught:
        after(work, action, actor, NOW_MS)  # type: ignore[arg-type]
    return caught.value


def test_a_state_is_named_in_words_and_no_inner_action_is() -> None:
    error = refusal("dismiss", Work(state="decided"))
    assert str(error) == "a case that is decided does not take dismiss; it takes contest, reconsider, undo"
    english, arabic = said(error, ENGLISH), said(error, ARABIC)
    assert english == "This case is now: decided. So this is not possible; the case's page shows what is."
    assert arabic.startswith("هذه الحالة الآن: \u2068محسومة\u2069. ")
    assert [each for each in ACTIONS if each in english or each in arabic] == []


def test_who_holds_the_case_is_named_apart_from_the_writing_around() -> None:
    error = refusal("dismiss", Work(state="claimed", holder="salem", until_ms=NOW_MS + 1))
    assert str(error) == "the case is held by salem"
    assert said(error, ENGLISH) == "salem holds this case."
    assert said(error, ARABIC) == "هذه الحالة بحوزة \u2068salem\u2069."


def test_the_consoles_own_sentences_are_said_as_they_are_and_braces_of_people_stay() -> None:
    own = "A case sleeps for 1, 4 or 24 hours."
    assert said(Unfit(own), ENGLISH) == own
    assert said(Unfit(own), ARABIC) == "تُؤجَّل الحالة ساعة أو 4 ساعات أو 24 ساعة."
    assert str(StaleCase("order {order}: no", order="{version}")) == "order {version}: no"
    assert said(TransitionRefused("the case is held by {holder}", holder="{to}"), ENGLISH) == "{to} holds this case."
