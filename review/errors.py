"""What can go wrong in review.

AmanaError
└── ReviewError
    ├── UnknownCase        no case by that id, or more than one
    ├── TransitionRefused  an action that the case's status does not allow
    ├── StaleCase          somebody else changed the case since it was read
    ├── ForeignOrder       the record at a decision's coordinates holds another order
    ├── Unfit              words or numbers that an action does not take
    ├── NotFindable        a search, or a value to be seen, that is none
    ├── TooMany            more searches, or values seen in clear, than an hour allows
    ├── BadOpenID          a file that says how people sign in elsewhere, and cannot be worked with
    ├── NotProved          what an identity provider said does not prove who somebody is
    ├── ProviderDown       an identity provider that does not answer, or not as it should
    ├── UnknownRequest     no request of the law by that reference
    ├── LawRefused         a request of the law that does not take that, or not from this person
    ├── ErasureRefused     data that may not be erased yet
    ├── BadPassword        a password that no account may have
    └── AccountRefused     an account that is there already, is not there, or may not be changed so
"""

from events.errors import AmanaError


class ReviewError(AmanaError):
    """Root of this room's errors. `said` has names in braces for its `values`: a console says it in other languages."""

    def __init__(self, said: str = "", /, **values: object) -> None:
        super().__init__(said.format(**values) if values else said)
        self.said, self.values = said, values


class UnknownCase(ReviewError):
    """No case by that id, or more than one."""


class TransitionRefused(ReviewError):
    """An action that the case's status does not allow."""


class StaleCase(ReviewError):
    """Somebody else changed the case since it was read."""


class ForeignOrder(ReviewError):
    """The record at a decision's coordinates holds another order."""


class BadOpenID(ReviewError):
    """A file that says how people sign in elsewhere, and cannot be worked with."""


class NotProved(ReviewError):
    """What an identity provider said does not prove who somebody is."""


class ProviderDown(ReviewError):
    """An identity provider that does not answer, or not as it should."""


class UnknownRequest(ReviewError):
    """No request of the law by that reference."""


class LawRefused(ReviewError):
    """A request of the law that does not take that, or not from this person."""


class ErasureRefused(ReviewError):
    """Data that may not be erased yet."""


class BadPassword(ReviewError):
    """A password that no account may have."""


class AccountRefused(ReviewError):
    """An account that is there already, is not there, or may not be changed so."""


class NotFindable(ReviewError):
    """A search, or a value to be seen, that is none."""


class TooMany(ReviewError):
    """More searches, or values seen in clear, than an hour allows."""


class Unfit(ReviewError):
    """Words or numbers that an action does not take."""
