"""Ways for the sandbox's messages to a partner's program: files, Kafka, and push (RFC 8935)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from events import admin, clients
from events.errors import Unreachable
from events.topics import share_ack_topic, share_specs, share_topic
from sharing.errors import SharingError, TokenError
from sharing.tokens import Acknowledgement, PartnerKeys, verify_acknowledgement

TIMEOUT_S = 30.0


class SandboxError(SharingError):
    """The sandbox's messages did not all arrive."""


class Message(NamedTuple):
    """`kind` for people: disclosure, withdrawal, deletion, the same again; `claims`: what is sealed, in the clear."""

    jti: str
    kind: str
    sealed: bytes
    claims: dict[str, Any]


class Answers:
    """What a partner has said of the messages, by `jti`."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.waiting = {message.jti: message.sealed for message in messages}
        self.refused: dict[str, str] = {}

    def take(self, acks: Sequence[str], errs: dict[str, Any]) -> None:
        for jti in (*acks, *errs):
            self.waiting.pop(jti, None)
        self.refused |= {jti: str(said.get("err") if isinstance(said, dict) else said) for jti, said in errs.items()}


def to_folder(messages: Sequence[Message], folder: Path) -> None:
    """Each message as NNN.jwe, as it is sent, and NNN.json, what is in it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages, 1):
        (folder / f"{number:03}.jwe").write_bytes(message.sealed)
        (folder / f"{number:03}.json").write_text(json.dumps(message.claims, indent=2) + "\n")


def to_kafka(messages: Sequence[Message], brokers: str, partner: str) -> None:
    """On `share.<partner>.v1`, made where it is missing. Raises Unreachable."""
    try:
        with admin.connect(brokers) as client:
            known = {state.name for state in admin.describe(client)}
            missing = [spec for spec in share_specs(partner) if spec.name not in known]
            admin.create_topics(client, 1, 1, 1, missing)
        producer = clients.made(KafkaProducer, brokers, TIMEOUT_S)
        try:
            sent = [producer.send(share_topic(partner), message.sealed, message.jti.encode()) for message in messages]
            for each in sent:
                each.get(TIMEOUT_S)
        finally:
            producer.close()
    except KafkaError as error:
        raise Unreachable(f"the broker at {brokers} did not do it: {type(error).__name__}") from None


def from_kafka(
    messages: Sequence[Message],
    brokers: str,
    keys: PartnerKeys,
    issuer: str,
    since_s: int,
    wait_s: float,
    now_s: Callable[[], int],
) -> Answers:
    """What the partner has acknowledged since then, waited for so long; a statement not believed counts for nothing."""
    answers = Answers(messages)
    topic = share_ack_topic(keys.partner)
    consumer = clients.made(KafkaConsumer, brokers, TIMEOUT_S)
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends_s = now_s() + wait_s
        while answers.waiting and now_s() < ends_s:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    said = _believed(record.value, keys, issuer, now_s())
                    if said and said.iat >= since_s:
                        answers.take(said.acks, {jti: {"err": why.err} for jti, why in said.errs.items()})
    finally:
        consumer.close()
    return answers


def _believed(statement: bytes, keys: PartnerKeys, issuer: str, now_s: int) -> Acknowledgement | None:
    try:
        return verify_acknowledgement(statement, keys, issuer, now_s)
    except TokenError:
        return None


def to_push(messages: Sequence[Message], url: str) -> Answers:
    """Each by its own POST, as RFC 8935 says. Raises SandboxError where nobody answers as it says."""
    answers = Answers(messages)
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    with httpx2.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
        for message in messages:
            try:
                answer = client.post(url, content=message.sealed, headers=headers)
            except httpx2.HTTPError as error:
                raise SandboxError(f"{url}: {type(error).__name__}; expected a push receiver (RFC 8935)") from None
            if answer.status_code == 202:
                answers.take([message.jti], {})
            else:
                answers.take([], {message.jti: {"err": _refusal(answer, url)}})
    return answers


def _refusal(answer: httpx2.Response, url: str) -> str:
    try:
        if answer.status_code == 400:
            return str(answer.json()["err"])
    except (ValueError, KeyError, TypeError):
        pass
    raise SandboxError(f"{url}: answered {answer.status_code}; expected 202, or 400 with a JSON object with `err`")
