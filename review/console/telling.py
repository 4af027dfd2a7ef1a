"""What a contract's fields are and how they leave, and what the order service is asked, in words to be translated."""

from collections.abc import Mapping

from events.questions import Answer, Question
from review.console.words import marked

QUESTIONS: Mapping[Question, str] = {
    "customer_placed": marked("Did the customer place this order?"),
    "address_confirmed": marked("Does the customer confirm the delivery address?"),
    "payer_is_holder": marked("Does the payment provider confirm that the payer is the holder?"),
    "parcel_stoppable": marked("Can the parcel still be stopped?"),
    "details_changed": marked("Were the account's contact details changed lately, by telephone or by staff?"),
}
ANSWERS: Mapping[Answer, str] = {
    "yes": marked("yes"),
    "no": marked("no"),
    "unknown": marked("could not be found out"),
}

FIELDS = {
    "outcome": marked("what was decided about the order when it was placed"),
    "verdict": marked("what is known of the case by now: suspected, or confirmed or cleared by an analyst"),
    "reasons": marked("what kinds of attack were seen"),
    "method": marked("how the order was to be paid"),
    "three_ds": marked("how the cardholder was authenticated (3-D Secure)"),
    "avs": marked("what the issuer said of the billing address"),
    "psp_reference": marked("the payment's id, as the payment provider issued it"),
    "tracking_ref": marked("the parcel's id, as the carrier issued it"),
    "verification_ref": marked("the verification's id, as the agency issued it"),
    "verification_result": marked("what the agency had answered"),
    "failed_check": marked("which of the agency's checks failed"),
    "verified_at": marked("when the agency verified the person"),
    "instruction": marked("whether the parcel is to be held or may go on"),
    "deadline": marked("until when the instruction holds"),
    "request_ref": marked("the request that this answers"),
    "count": marked("how many cases share these values"),
    "notice": marked("a notice that every message carries"),
    "amount": marked("the order's total"),
    "occurred_at": marked("when the order was placed"),
    "ip": marked("the internet address that the order came from"),
    "last4": marked("the last four digits of the card"),
    "issuer_country": marked("the country of the card's issuer"),
    "delivery_area": marked("where the order was to be delivered"),
    "postal_code": marked("the postal area of the delivery"),
    "name": marked("the customer's name"),
    "email": marked("the customer's e-mail address"),
    "phone": marked("the customer's telephone number"),
    "billing": marked("the billing address"),
    "shipping": marked("the delivery address"),
    "order_id": marked("the order"),
    "customer_id": marked("the customer"),
    "account_id": marked("the customer's account"),
    "session_id": marked("the visit that the order came from"),
    "device_id": marked("the device that the order came from"),
    "seller_id": marked("the seller"),
}

OPERATORS = {
    "keep": marked("as it is, one of a closed list"),
    "band": marked("as a range"),
    "truncate": marked("cut down, less exact"),
    "generalise": marked("widened to a region or country"),
    "last4": marked("the last four digits"),
    "pseudonym": marked("under a name that is this partner's alone"),
    "echo": marked("as the partner issued it"),
    "disclose": marked("itself, to an approved request that names it"),
    "count": marked("a number, never of few"),
    "constant": marked("the same for every case"),
    "derive": marked("those of the reasons that are marked safe, in words"),
}
