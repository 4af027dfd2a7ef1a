from sharing.fields import FIELDS
from sharing.operators import OPERATORS
from tests.sharing.orders import paths


def test_every_field_of_an_order_has_a_class() -> None:
    sources = {field.source for field in FIELDS.values() if field.source}
    known = {path for path in paths() if path in sources or path.partition(".")[0] in sources}
    assert paths() == known
    assert {source for source in sources if source not in paths()} == {"billing", "shipping"}


def test_a_class_takes_exactly_its_operators() -> None:
    taken: dict[str, set[str]] = {}
    for field in FIELDS.values():
        names = {name for name, operator in OPERATORS.items() if operator.takes(field)}
        taken[field.sensitivity] = taken.get(field.sensitivity, set()) | names
    assert taken == {
        "forbidden": set(),
        "direct": {"disclose"},
        "linkable": {"pseudonym", "echo"},
        "quasi": {"generalise", "truncate", "band", "last4", "derive", "disclose"},
        "safe": {"keep", "count", "constant"},
    }


def test_every_field_that_an_operator_serves_says_what_it_means() -> None:
    served = [field for field in FIELDS.values() if any(operator.takes(field) for operator in OPERATORS.values())]
    assert [field.name for field in served if not field.meaning] == []


def test_card_data_credentials_and_free_text_are_forbidden() -> None:
    forbidden = {field.name for field in FIELDS.values() if field.sensitivity == "forbidden"}
    assert forbidden == {
        *("psp_token", "bin", "cvv_result", "items", "user_agent", "promo_code"),  # an order has them
        *("card_number", "cvv", "credentials", "recording_ref", "free_text"),  # nothing that we take in has them
    }


def test_every_id_that_may_leave_names_who_issued_it() -> None:
    assert {f.name: f.issuer for f in FIELDS.values() if f.shape == "id" and f.issuer} == {
        "psp_reference": "financial_institution",
        "tracking_ref": "service_provider",
        "verification_ref": "verification_agency",
    }
