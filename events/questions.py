"""What analysts ask the order service about an order, and what it may answer: words of closed lists, and ids.

A question goes to the topic `questions`; the answer comes by the console's API, once for each question.
"""

from typing import Annotated, Literal

from msgspec import Meta

from events.types import Event, Id

Question = Literal["customer_placed", "address_confirmed", "payer_is_holder", "parcel_stoppable", "details_changed"]
Answer = Literal["yes", "no", "unknown"]


class InformationAsked(Event, frozen=True, kw_only=True, tag=True):
    """`event_id` is the question's: the answer names it. `decision_id` is the case's."""

    order_id: Id
    decision_id: Annotated[str, Meta(min_length=1, max_length=96)]
    question: Question
