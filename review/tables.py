"""The case database's tables. They change by a migration only (review/migrations); a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)  # fmt: skip

metadata = MetaData()

cases = Table(
    "review_cases",
    metadata,
    Column("decision_id", String(96), primary_key=True),
    Column("order_id", String(64), nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("occurred_at_ms", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("subject", String(22), nullable=False),
    Column("score", Float),
    Column("reasons", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("country", String(2)),
    Column("last4", String(4)),
    Column("method", String(16)),
    Column("email_index", String(22)),
    Column("phone_index", String(22)),
    Column("envelope", LargeBinary),
    Column("withheld", String(16)),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("verdict", String(16)),
    Column("decided_at_ms", BigInteger),
    Column("decided_by", String(64)),
    Column("reason", LargeBinary),
    Column("priority", Float, nullable=False, default=0.0),
    Column("holder", String(64)),
    Column("until_ms", BigInteger),
    Column("due_at_ms", BigInteger),
    Column("escalated", Boolean, nullable=False, default=False),
    Column("first_look", String(64)),
    Column("resolved", String(16)),
    Column("contested", Boolean, nullable=False, default=False),
    Column("card", String(22)),
    Column("device", String(22)),
    Column("lead", String(96)),
    Column("assignee", String(64)),
    Index("review_cases_timed", "status", "until_ms"),
    Index("review_cases_opened", "status", "opened_at_ms"),
    Index("review_cases_decided", "decided_at_ms"),
    Index("review_cases_assigned", "assignee", "status", "priority"),
    Index("review_cases_by_order", "order_id"),
    Index("review_cases_by_subject", "subject"),
    Index("review_cases_by_email", "email_index"),
    Index("review_cases_by_phone", "phone_index"),
)

# The queue's order (review.waiting). The columns after the order's own are what views and filters ask for: a case that
# is not wanted is passed over without a look at its row.
_QUEUE = (cases.c.priority.desc(), cases.c.decision_id)
_ASKED = (cases.c.outcome, cases.c.country, cases.c.method)
_UNDECIDED = text("status <> 'decided'")
Index("review_cases_queue", cases.c.status, *_QUEUE, *_ASKED)
Index(
    "review_cases_undecided",
    *(*_QUEUE, cases.c.status, *_ASKED, cases.c.due_at_ms),
    postgresql_where=_UNDECIDED,
    sqlite_where=_UNDECIDED,
)
for _entity in (cases.c.card, cases.c.device):
    Index(f"review_cases_by_{_entity.name}", _entity, postgresql_where=_UNDECIDED, sqlite_where=_UNDECIDED)
_JOINED = text("lead IS NOT NULL")
Index("review_cases_by_lead", cases.c.lead, cases.c.status, postgresql_where=_JOINED, sqlite_where=_JOINED)
Index(
    "review_cases_escalated",
    *_QUEUE,
    postgresql_where=text("status <> 'decided' AND escalated"),
    sqlite_where=text("status <> 'decided' AND escalated = 1"),
)
Index(
    "review_cases_due",
    *(cases.c.due_at_ms, cases.c.status),
    postgresql_where=_UNDECIDED,
    sqlite_where=_UNDECIDED,
)

# Words from the policy's list; the tag stands first, so that a filter by tag reads just its cases.
tags = Table(
    "review_tags",
    metadata,
    Column("tag", String(32), primary_key=True),
    Column("case_id", String(96), primary_key=True),
    Column("put_at_ms", BigInteger, nullable=False, server_default="0"),
    Index("review_tags_of_case", "case_id"),
)

# The only place of a wrapped subject key: delete the row, and all that was sealed under it is gone.
subject_keys = Table(
    "review_subject_keys",
    metadata,
    Column("subject", String(22), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

# What a verdict has made for a topic (a label, a superseding decision) and that is not published yet, in the order of
# the verdicts; none before its time.
outbox = Table(
    "review_outbox",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False, default=0),
    Column("topic", String(16), nullable=False, default="labels"),
)

accounts = Table(
    "review_accounts",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("roles", Text, nullable=False),
    Column("language", String(2), nullable=False),
    Column("password", String(256)),
    Column("failures", Integer, nullable=False),
    Column("locked_until_ms", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
)

# Sign-ins by the hash of their token: who reads this table cannot sign in with it.
sessions = Table(
    "review_sessions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("username", String(64), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger),
    Index("review_sessions_by_username", "username"),
)

# Programs' tokens for the API, by their hash; none may more than its account and its scopes both allow.
tokens = Table(
    "review_tokens",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("username", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("review_tokens_by_username", "username", "name"),
)

# Whose account is whose at an identity provider (OpenID Connect): by the issuer's own name for them.
identities = Table(
    "review_identities",
    metadata,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
)

# Hashes of what a provider's token may be used once by, until the token itself has run out.
spent = Table(
    "review_spent",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
)

# Filters of the queue that people keep by name; a link's query, nothing in it names a person.
filters = Table(
    "review_filters",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("query", String(512), nullable=False),
)

# What people write beside a case, sealed under its subject's key.
notes = Table(
    "review_notes",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("case_id", String(96), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("review_notes_by_case", "case_id", "place"),
)

# Who did what, when: names of fields, never their values.
audit = Table(
    "review_audit",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("case_id", String(96)),
    Column("fields", Text, nullable=False),
    Index("review_audit_by_case", "case_id"),
    Index("review_audit_by_actor", "actor", "at_ms"),
)

# What has become of a case, written with it in one transaction, until the partners' messages of it are made.
# `failed` says which contracts could not be told, and why; such a row stays until somebody has it tried again.
triggers = Table(
    "review_triggers",
    metadata,
    Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("decision_id", String(96), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reference", String(64)),
    Column("failed", String(200)),
    Column("not_before_ms", BigInteger, nullable=False, default=0),
    Index("review_triggers_by_case", "decision_id", "place"),
)

# Verdicts chosen to come back, blind, to somebody else: the first one, kept here while its case looks undecided, and
# the second. `from_ms`: when it may come back, then when it did; `due_at_ms` was the case's own.
opinions = Table(
    "review_opinions",
    metadata,
    Column("case_id", String(96), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("resolved", String(16), nullable=False),
    Column("decided_by", String(64), nullable=False),
    Column("decided_at_ms", BigInteger, nullable=False),
    Column("reason", LargeBinary),
    Column("first_look", String(64)),
    Column("due_at_ms", BigInteger),
    Column("second", String(16)),
    Column("second_by", String(64)),
    Column("second_at_ms", BigInteger),
    Index("review_opinions_due", "state", "from_ms"),
    Index("review_opinions_heard", "second_at_ms"),
)

# What the order service was asked about a case, and what it answered: words of closed lists.
questions = Table(
    "review_questions",
    metadata,
    Column("question_id", String(64), primary_key=True),
    Column("case_id", String(96), nullable=False),
    Column("question", String(32), nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at_ms", BigInteger, nullable=False),
    Column("answer", String(16)),
    Column("answered_at_ms", BigInteger),
    Index("review_questions_by_case", "case_id", "asked_at_ms"),
)
