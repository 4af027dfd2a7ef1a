"""The errors of this room, under the root of every error that Amana raises on purpose.

AmanaError
├── BadAddress             an address of brokers that is none
├── BadSecurity            how brokers are to be reached: incomplete, contradictory, or in plain from afar
├── NotGranted             a principal's password or access list that the broker did not take
├── NotAccepted            events that are not known to be in the log
│   └── RefusedEvent       an event that the guard refused before it was sent
├── TopicMismatch          a topic that is not as configured and cannot be made so
└── Unreachable            no broker answered in time

The other rooms draw their own trees below AmanaError.
"""

from collections.abc import Sequence


class AmanaError(Exception):
    """A stated failure: the message says what, where and what was expected, and never a personal value."""


class BadAddress(AmanaError):
    """An address of brokers that is none."""


class BadSecurity(AmanaError):
    """How brokers are to be reached: incomplete, contradictory, or in plain from afar."""


class NotGranted(AmanaError):
    """A principal's password or access list that the broker did not take."""


class NotAccepted(AmanaError):
    """`event_ids` are not known to be in the log: publish them again, with the same ids.

    An event whose acknowledgement was lost may be there all the same; its repeat is harmless.
    """

    def __init__(self, event_ids: Sequence[str], why: str) -> None:
        shown = ", ".join(event_ids[:10]) + (f" and {len(event_ids) - 10} more" if len(event_ids) > 10 else "")
        super().__init__(f"not accepted: {shown}: {why}")
        self.event_ids = tuple(event_ids)
        self.why = why


class RefusedEvent(NotAccepted):
    """The guard refused the event: `reason` and `field` as in a Refusal. Sending it again does not help.

    An `event_id` that must not be shown is None.
    """

    def __init__(self, event_id: str | None, reason: str, field: str | None) -> None:
        super().__init__(
            [event_id or "(an event whose id cannot be shown)"], reason + (f" in {field}" if field else "")
        )
        self.reason = reason
        self.field = field


class TopicMismatch(AmanaError):
    """A topic that exists with another number of partitions: keys would move between them."""


class Unreachable(AmanaError):
    """No broker answered in time."""
