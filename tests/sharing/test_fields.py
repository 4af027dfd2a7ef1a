from sharing.fields import FIELDS
from sharing.operators import OPERATORS
from tests.sharing.orders import paths


def test_every_field_of_an_order_has_a_class() -> None:
    sources = {field.source for field in FIELDS.values() if field.source}
    known = {path for path in paths() if path in sources or path.partition(".")[0] in sources}
    assert paths() == known
    assert {source for source in sources if source not in paths()} == {"billing", "shipping"}


def test_no_operator_serves_a_forbidden_or_a_direct_field() -> None:
    for field in FIELDS.values():
        if field.sensitivity in {"forbidden", "direct"}:
            assert not any(operator.takes(field) for operator in OPERATORS.values()), field.name


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
