"""What each principal may do on a real broker, and that it is refused all else."""

import asyncio
from collections.abc import Iterator

import confluent_kafka
import kafka.errors
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import admin as confluent_admin
from kafka import KafkaAdminClient

from events import admin
from events.acls import Secured, secure
from events.principals import Grant, Principal, principals
from events.security import Brokers, Security, kafka_configs
from tests.harness import SecuredKafka, wait_until

PARTNERS = ("acquirer", "agency")
RAW = {"orders", "visits", "activity", "labels"}
SHARED = {"share.acquirer.v1", "share.agency.v1"}
ACKNOWLEDGED = {"share.acquirer.ack.v1", "share.agency.ack.v1"}
ALL = RAW | SHARED | ACKNOWLEDGED | {"facts", "decisions", "quarantine", "late", "rules", "models"}

# Principal: what it reads, what it writes. Written out here so that a slip in the table of the code is seen.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "publisher": (set(), RAW),
    "store": ({"decisions"}, set()),
    "intake": ({"orders", "visits", "activity", "quarantine"}, {"facts", "quarantine"}),
    "screen": ({"facts", "rules", "models"}, {"decisions", "late", "models"}),
    "fallback": ({"facts", "decisions"}, {"decisions"}),
    "history": ({"decisions", "facts", "labels", "quarantine"}, {"facts", "quarantine"}),
    "opener": ({"decisions", "orders", "activity"}, set()),
    "projector": (set(), {"labels"}),
    "deliverer": (ACKNOWLEDGED, SHARED),
    "console": (set(), {"decisions", "labels"}),
    "rules-promoter": ({"rules"}, {"rules"}),
    "models-promoter": ({"models"}, {"models"}),
    "analysis": ({"facts", "decisions", "rules"}, set()),
    "partner.acquirer": ({"share.acquirer.v1"}, {"share.acquirer.ack.v1"}),
    "partner.agency": ({"share.agency.v1"}, {"share.agency.ack.v1"}),
}


def configs(brokers: Brokers) -> dict[str, str]:
    """For a client that is not ours, as a partner may use one."""
    security = brokers.security
    found = {"bootstrap.servers": str(brokers), "security.protocol": security.protocol}
    found |= {"ssl.ca.location": str(security.ca), "log_level": "0"}
    if security.user is not None:
        found |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": security.user}
        found |= {"sasl.password": security.password() or ""}
    if security.certificate is not None:
        found |= {"ssl.certificate.location": str(security.certificate), "ssl.key.location": str(security.certificate)}
    return found


def consumer(brokers: Brokers, group: str) -> Consumer:
    return Consumer(configs(brokers) | {"group.id": group, "enable.auto.commit": "false"})


def written(brokers: Brokers, topics: set[str]) -> set[str]:
    """Of the topics, those that take a record; every other was refused for want of a right."""
    producer = Producer(configs(brokers))
    outcomes: dict[str, KafkaError | None] = {}
    for topic in topics:
        producer.produce(
            topic,
            b"{}",
            b"key",
            partition=0,
            on_delivery=lambda error, message: outcomes.update({message.topic(): error}),
        )
    assert producer.flush(60) == 0
    refusals = {error.name() for error in outcomes.values() if error is not None}
    assert outcomes.keys() == topics
    assert refusals <= {"TOPIC_AUTHORIZATION_FAILED"}
    return {topic for topic, error in outcomes.items() if error is None}


async def is_read(reader: AIOKafkaConsumer, topic: str) -> bool:
    place = AioPartition(topic, 0)
    try:
        await reader._client._wait_on_metadata(topic)
        reader.assign([place])
        reader.seek(place, 0)
        await asyncio.wait_for(reader.getone(place), 60)
    except TopicAuthorizationFailedError:
        return False
    return True


def read(brokers: Brokers, topics: set[str]) -> set[str]:
    """Of the topics, which have a record each, those that give it; every other was refused for want of a right."""

    async def ask() -> set[str]:
        reader = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, **kafka_configs(brokers))
        await reader.start()
        try:
            return {topic for topic in sorted(topics) if await is_read(reader, topic)}
        finally:
            await reader.stop()

    return asyncio.run(ask())


async def offsets(brokers: Brokers, group: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=brokers, **kafka_configs(brokers))
    await client.start()
    try:
        await client.list_consumer_group_offsets(group)
    finally:
        await client.close()


@pytest.fixture(scope="module")
def broker(secured_kafka: SecuredKafka) -> SecuredKafka:
    """With a record in every topic."""
    assert written(secured_kafka.admin, ALL) == ALL
    return secured_kafka


@pytest.fixture
def administrator(broker: SecuredKafka) -> Iterator[KafkaAdminClient]:
    with admin.connect(broker.admin, timeout_s=60) as client:
        yield client


def test_the_table_has_no_principal_that_is_not_tried_here() -> None:
    assert {principal.name for principal in principals(PARTNERS)} == MAY.keys()


@pytest.mark.parametrize("name", MAY)
def test_a_principal_reads_and_writes_its_own_topics_and_is_refused_all_others(broker: SecuredKafka, name: str) -> None:
    brokers = broker.reached_by(name)
    assert (read(brokers, ALL), written(brokers, ALL)) == MAY[name]


def test_the_deliverer_alone_writes_to_partners() -> None:
    assert [name for name, (_, writes) in MAY.items() if writes & SHARED] == ["deliverer"]


def test_a_partner_sees_its_two_topics_and_not_that_there_are_others(broker: SecuredKafka) -> None:
    reader = consumer(broker.reached_by("partner.acquirer"), "partner.acquirer")
    try:
        assert reader.list_topics(timeout=60).topics.keys() == {"share.acquirer.v1", "share.acquirer.ack.v1"}
    finally:
        reader.close()


def test_a_partner_consumes_in_its_own_group_and_commits(broker: SecuredKafka) -> None:
    brokers = broker.reached_by("partner.acquirer")
    reader = Consumer(
        configs(brokers)
        | {"group.id": "partner.acquirer", "enable.auto.commit": "false", "auto.offset.reset": "earliest"}
    )
    try:
        reader.subscribe(["share.acquirer.v1"])
        records = []
        wait_until(lambda: records.extend(reader.consume(1, timeout=1)) or bool(records), 120, "a record")
        (record,) = records
        assert record.error() is None
        reader.commit(record, asynchronous=False)
        (at,) = reader.committed([TopicPartition("share.acquirer.v1", record.partition())], timeout=60)
        assert at.offset == record.offset() + 1
    finally:
        reader.close()


@pytest.mark.parametrize("group", ["partner.agency", "amana.deliverer", "amana.screen", "anything"])
def test_a_partner_neither_joins_nor_sees_another_group(broker: SecuredKafka, group: str) -> None:
    brokers = broker.reached_by("partner.acquirer")
    with pytest.raises(GroupAuthorizationFailedError):
        asyncio.run(offsets(brokers, group))
    reader = consumer(brokers, group)
    try:
        reader.subscribe(["share.acquirer.v1"])
        record = reader.poll(60)
        assert record is not None
        assert record.error().name() == "GROUP_AUTHORIZATION_FAILED"
    finally:
        reader.close()


@pytest.mark.parametrize("name", ["partner.acquirer", "projector", "deliverer", "opener", "screen"])
def test_none_but_the_administrator_makes_or_deletes_topics_or_opens_doors(broker: SecuredKafka, name: str) -> None:
    client = confluent_admin.AdminClient(configs(broker.reached_by(name)))
    acl = confluent_admin.AclBinding(
        confluent_admin.ResourceType.TOPIC,
        "share.agency.v1",
        confluent_admin.ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        confluent_admin.AclOperation.READ,
        confluent_admin.AclPermissionType.ALLOW,
    )
    asked = [
        *client.create_topics([confluent_admin.NewTopic("share.own.v1", 1, 1)], request_timeout=60).values(),
        *client.delete_topics(["share.acquirer.v1"], request_timeout=60).values(),
        *client.create_acls([acl], request_timeout=60).values(),
    ]
    refusals = []
    for answer in asked:
        with pytest.raises(KafkaException) as refused:
            answer.result(60)
        refusals.append(refused.value.args[0].name())
    assert refusals == ["TOPIC_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"]


def test_a_second_time_changes_nothing_and_what_the_table_no_longer_says_is_taken_away(
    administrator: KafkaAdminClient,
) -> None:
    table = principals(PARTNERS)
    assert secure(administrator, table, {}) == Secured(0, 0, (), (), ())
    more = Principal("store", "", (*_of("store", table).grants, Grant("topic", "facts", ("READ", "DESCRIBE"))))
    widened = [more if principal.name == "store" else principal for principal in table]
    assert secure(administrator, widened, {}) == Secured(2, 0, (), (), ())
    assert secure(administrator, table, {}) == Secured(0, 2, (), (), ())


def test_a_partner_that_the_table_does_not_know_is_named_and_goes_when_told(administrator: KafkaAdminClient) -> None:
    table = principals(PARTNERS)
    added = secure(administrator, principals([*PARTNERS, "left"]), {"partner.left": "a word"})
    assert (added.granted, added.passwords, added.without) == (10, ("partner.left",), ())  # the deliverer's as well
    fewer = secure(administrator, table, {})
    assert (fewer.revoked, fewer.strangers) == (4, ("User:partner.left",))
    removed = secure(administrator, table, {}, remove_strangers=True)
    assert (removed.revoked, removed.strangers) == (6, ("User:partner.left",))
    assert secure(administrator, table, {}) == Secured(0, 0, (), (), ())
    assert "partner.left" not in administrator.describe_user_scram_credentials()


def test_who_has_no_password_is_named(administrator: KafkaAdminClient) -> None:
    table = principals([*PARTNERS, "new"])
    assert secure(administrator, table, {}).without == ("partner.new",)
    secure(administrator, principals(PARTNERS), {}, remove_strangers=True)


def _of(name: str, table: tuple[Principal, ...]) -> Principal:
    return next(principal for principal in table if principal.name == name)


class TestDoors:
    """Nobody is let in who does not prove who they are, over TLS."""

    def failure(self, found: dict[str, str]) -> str:
        """The errors that a foreign client meets when it asks for topics."""
        errors: list[str] = []
        client = confluent_admin.AdminClient(found | {"error_cb": lambda error: errors.append(error.name())})
        with pytest.raises(KafkaException):
            client.list_topics(timeout=3)
        client.poll(0)
        return ",".join(sorted({error for error in errors if error != "_ALL_BROKERS_DOWN"}))

    def test_plaintext_is_refused(self, broker: SecuredKafka) -> None:
        plain = {"bootstrap.servers": str(broker.brokers), "log_level": "0"}
        with pytest.raises(KafkaException):
            confluent_kafka.admin.AdminClient(plain).list_topics(timeout=3)

    def test_a_password_is_never_taken_in_plain(self, broker: SecuredKafka) -> None:
        found = configs(broker.reached_by("screen")) | {"security.protocol": "SASL_PLAINTEXT"}
        with pytest.raises(KafkaException):
            confluent_kafka.admin.AdminClient(found).list_topics(timeout=3)

    def test_a_wrong_password_and_an_unknown_user_are_refused(self, broker: SecuredKafka) -> None:
        right = configs(broker.reached_by("partner.acquirer"))
        assert self.failure(right | {"sasl.password": "guessed"}) == "_AUTHENTICATION"
        assert self.failure(right | {"sasl.username": "nobody"}) == "_AUTHENTICATION"
        assert self.failure(right | {"sasl.username": "partner.agency"}) == "_AUTHENTICATION"

    def test_a_certificate_of_another_name_may_do_nothing_where_the_administrator_may_all(
        self, broker: SecuredKafka
    ) -> None:
        own = broker.secrets / "deliverer"
        other = Brokers(str(broker.admin), Security("SSL", own / "ca.pem", certificate=own / "own.pem"))
        assert written(other, ALL) == set()
        assert confluent_admin.AdminClient(configs(other)).list_topics(timeout=60).topics == {}

    @pytest.mark.usefixtures("failed_connections")
    def test_a_broker_that_the_authority_does_not_vouch_for_is_told_nothing(self, broker: SecuredKafka) -> None:
        other = Security("SASL_SSL", None, "screen", broker.reached_by("screen").security.password_file)
        with pytest.raises(kafka.errors.KafkaError):
            admin.connect(Brokers(broker.brokers, other), timeout_s=3)
