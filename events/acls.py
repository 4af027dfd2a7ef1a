"""Kafka's access lists and passwords: made what the table of principals says, and nothing beside it.

What one of its principals holds beyond the table is taken away. Whoever the table does not know is named and, unless
told to remove strangers, left alone: the table given may be of fewer partners than there are.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from events.errors import NotGranted
from events.principals import Grant, Principal

ITERATIONS = 8192
HEARD_S = 30.0
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
_EVERYTHING = ACLFilter(
    None,
    None,
    ACLOperation.ANY,
    ACLPermissionType.ANY,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


class Secured(msgspec.Struct, frozen=True):
    """What `secure` did: entries made and taken away, whose password was set, who has none, and who is not known."""

    granted: int
    revoked: int
    passwords: tuple[str, ...]
    without: tuple[str, ...]
    strangers: tuple[str, ...]


def secure(
    admin: KafkaAdminClient,
    table: Sequence[Principal],
    passwords: Mapping[str, str],
    *,
    remove_strangers: bool = False,
) -> Secured:
    """Make the broker's access lists those of the table, and set these passwords (by principal); the broker goes by
    them when it returns.

    Raises NotGranted for what the broker did not take; KafkaError. A broker without an authorizer refuses all of it.
    """
    wanted = {acl for principal in table for acl in acls_of(principal)}
    held = _held(admin)
    known = {f"User:{principal.name}" for principal in table}
    users = set(admin.describe_user_scram_credentials())
    strangers = {acl.principal for acl in held} | {f"User:{user}" for user in users}
    strangers -= known
    doomed = [acl for acl in held - wanted if remove_strangers or acl.principal in known]
    _revoke(admin, doomed)
    _grant(admin, wanted - held)
    gone = [user for user in users if remove_strangers and f"User:{user}" in strangers]
    changed = {name: passwords[name] for name in sorted(passwords) if f"User:{name}" in known}
    _set_passwords(admin, changed, gone)
    _await(admin, (held - set(doomed)) | wanted, (users - set(gone)) | set(changed))
    return Secured(
        len(wanted - held),
        len(doomed),
        tuple(changed),
        tuple(sorted(principal.name for principal in table if principal.name not in users | set(passwords))),
        tuple(sorted(strangers)),
    )


def _held(admin: KafkaAdminClient) -> set[ACL]:
    return set(admin.describe_acls(_EVERYTHING)[0])


def _await(admin: KafkaAdminClient, acls: set[ACL], users: set[str]) -> None:
    """The controller took them; the broker hears of it a little later."""
    deadline = time.monotonic() + HEARD_S
    while _held(admin) != acls or set(admin.describe_user_scram_credentials()) != users:
        if time.monotonic() > deadline:
            raise NotGranted(f"the broker did not hear of its new entries in {HEARD_S:g} s: run it again")
        time.sleep(0.1)


def acls_of(principal: Principal) -> list[ACL]:
    """One entry an operation, from any host."""
    return [
        ACL(
            f"User:{principal.name}",
            "*",
            ACLOperation[operation],
            ACLPermissionType.ALLOW,
            _pattern(grant),
        )
        for grant in principal.grants
        for operation in grant.operations
    ]


def _pattern(grant: Grant) -> ResourcePattern:
    how = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ResourcePattern(_KINDS[grant.kind], grant.name, how)


def _grant(admin: KafkaAdminClient, acls: Iterable[ACL]) -> None:
    if wanted := list(acls):
        failed = admin.create_acls(wanted)["failed"]
        if failed:
            raise NotGranted(f"{len(failed)} of {len(wanted)} entries were not taken: {failed[0].__name__}")


def _revoke(admin: KafkaAdminClient, acls: Sequence[ACL]) -> None:
    if acls:
        for entry, _, error in admin.delete_acls(list(acls)):
            if error.errno:
                raise NotGranted(f"an entry of {entry.principal} was not taken away: {error.__name__}")


def _set_passwords(admin: KafkaAdminClient, passwords: Mapping[str, str], gone: Sequence[str]) -> None:
    mechanism = ScramMechanism.SCRAM_SHA_512
    alterations: list[UserScramCredentialUpsertion | UserScramCredentialDeletion] = [
        UserScramCredentialUpsertion(name, mechanism, password, ITERATIONS) for name, password in passwords.items()
    ]
    alterations += [UserScramCredentialDeletion(name, mechanism) for name in gone]
    if alterations:
        for name, error in admin.alter_user_scram_credentials(alterations).items():
            if error:
                raise NotGranted(f"the password of {name} was not set: {error}")
