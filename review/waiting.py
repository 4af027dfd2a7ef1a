"""Which cases nobody has decided, and in which order people get them: worded as the indexes are (review.tables).

A partial index serves a query only where the planner can prove that the query asks for nothing else, and a value that
is sent apart from the statement proves nothing: states stand in the statement itself.
"""

import sqlalchemy as sa

from review import tables

_CASES = tables.cases.c

UNDECIDED: sa.ColumnElement[bool] = _CASES.status != sa.literal_column("'decided'")
OPEN: sa.ColumnElement[bool] = sa.and_(
    UNDECIDED, _CASES.status.in_([sa.literal_column("'open'"), sa.literal_column("'reopened'")])
)
MOST_VALUABLE_FIRST = (_CASES.priority.desc(), _CASES.decision_id)
