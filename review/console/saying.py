"""What review refuses on purpose, as people in a browser read it, in their language.

The command line and the API say it as it was raised: they name states and actions as their callers do.
"""

from collections.abc import Mapping

from review.console.words import Words, marked
from review.errors import ReviewError

_LOOKED = marked("You had the first look; somebody else has the second one.")
_UNKNOWN = marked("There is no such case.")

# By the error's own sentence; one that is not here (the console's own) is its text already.
SAID: Mapping[str, str] = {
    "a case that is {state} does not take {action}; it takes {allowed}": marked(
        "This case is now: {state}. So this is not possible; the case's page shows what is."
    ),
    "the case is held by {holder}": marked("{holder} holds this case."),
    "your claim has ended; claim the case again": marked(
        "Your claim has ended. Load the page again and claim the case anew."
    ),
    "it is too early for {action}": marked("It is too early for this."),
    "the case is not due yet": marked("The case is not due yet."),
    "you had the first look; somebody else has the second one": _LOOKED,
    "only {holder}, who decided, may undo it": marked("Only {holder}, who decided, may undo it."),
    "a verdict can be undone for {seconds} seconds": marked("A verdict can be undone for {seconds} seconds."),
    "the case has the outcome {outcome}; expected another": marked("The case has that outcome already."),
    "a case that is {state} is assigned to nobody": marked("This case is now: {state}. So it is assigned to nobody."),
    "{to} had the first look; somebody else has the second one": marked(
        "{to} had the first look; somebody else has the second one."
    ),
    "{to} is not given this case; assign it to somebody else": marked(
        "{to} is not given this case; assign it to somebody else."
    ),
    "an order that is joined to another case goes with that one": marked(
        "This order is joined to another case and goes with that one."
    ),
    "only a block can be contested": marked("Only a block can be contested."),
    "what the verdict set off has left already; have the case contested": marked(
        "What the verdict set off has left already; have the case contested."
    ),
    "you have judged this case; somebody else looks at it now": marked(
        "You have judged this case; somebody else looks at it now."
    ),
    "the order service was asked nothing": marked("The order service was asked nothing."),
    "only {asker}, who asked, may take it back": marked("Only {asker}, who asked, may take it back."),
    "the question has left already": marked("The question has left already."),
    "the question was answered otherwise before": marked("The question was answered otherwise before."),
    "no question by that id about this case": marked("There is no such question."),
    "there is no such value in this case": marked("There is no such value in this case."),
    "expected an order's id, four digits, an e-mail address or a phone number with its country's code": marked(
        "Search for an order's id, four digits, an e-mail address or a phone number with its country's code."
    ),
    "{most} an hour are allowed; wait a while": marked("No more than {most} an hour are allowed; wait a while."),
    "no case by that id; expected an order's or a decision's id": _UNKNOWN,
    "the order has {count} cases; name one by its decision: {ids}": marked(
        "This order has {count} cases; look for it by the search."
    ),
    "expected the id of an order or a decision that one customer has a case of": _UNKNOWN,
    "order {order}: the case was changed since version {version} was read": marked(
        "Somebody else changed this case since you opened it."
    ),
}


def said(error: ReviewError, words: Words) -> str:
    """The error in the person's language; a state is said as its word."""
    values = {name: words.value(str(value)) if name == "state" else value for name, value in error.values.items()}
    return words.text(SAID.get(error.said, error.said), **values)
