import inspect

from events import errors
from events.errors import AmanaError, NotAccepted, RefusedEvent


def test_the_tree_in_the_docstring_has_every_error_of_the_room() -> None:
    names = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert errors.__doc__ is not None
    assert {name for name in names if name not in errors.__doc__} == set()
    assert all(issubclass(getattr(errors, name), AmanaError) for name in names)


def test_what_was_not_accepted_is_named_by_id() -> None:
    assert str(NotAccepted(["e-1", "e-2"], "no broker")) == "not accepted: e-1, e-2: no broker"
    assert str(NotAccepted([f"e-{n}" for n in range(12)], "x")).endswith("e-8, e-9 and 2 more: x")


def test_a_refused_event_is_named_by_reason_and_field_and_only_by_an_id_that_can_be_shown() -> None:
    assert str(RefusedEvent("e-1", "refused.ill_formed", "ip")) == "not accepted: e-1: refused.ill_formed in ip"
    hidden = RefusedEvent(None, "refused.card_number", "event_id")
    assert str(hidden) == "not accepted: (an event whose id cannot be shown): refused.card_number in event_id"
