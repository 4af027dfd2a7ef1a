import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.harness.server import Server, ServerFailed, find_program
from tests.harness.waiting import free_port

_POM = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
_VERSION = "4.1.1"
_STARTED = b"Kafka Server started"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""

SMALL = """\
offsets.topic.num.partitions=4
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=5000
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""

_LOG4J = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders>
    <File name="file" fileName="{log}"><PatternLayout pattern="%d %p %m (%c)%n"/></File>
  </Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="file"/></Root></Loggers>
</Configuration>
"""


# A broker of the tests lives for seconds: what it would gain by better machine code, it would not live to see.
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")


class Kafka(Server):
    """One Apache Kafka broker (KRaft, its own controller) from its Maven artifact. `brokers` is its address.

    Topics are never created by use. 360 MB resident, up in some 5 s, of which the first half formats the storage.
    """

    name = "kafka"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.brokers = f"127.0.0.1:{self.port}"
        self._properties = self.folder / "server.properties"
        self._log4j = self.folder / "log4j2.xml"
        self._broker_log = self.folder / "broker.log"
        self._seen_bytes = 0

    def prepare(self) -> None:
        self._properties.write_text(self.properties())
        self._log4j.write_text(_LOG4J.format(log=self._broker_log))
        storage = self._java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c")
        done = subprocess.run([*storage, str(self._properties)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"Kafka's storage was not formatted:\n{done.stdout}{done.stderr}")

    def properties(self) -> str:
        settings = {"broker": self.port, "controller": free_port(), "data": self.folder / "data"}
        return _PROPERTIES.format(**settings) + SMALL

    def command(self) -> list[str]:
        self._seen_bytes = self._broker_log.stat().st_size if self._broker_log.exists() else 0
        return self._java("kafka.Kafka", str(self._properties))

    def is_ready(self) -> bool:
        if not self._broker_log.exists():
            return False
        with self._broker_log.open("rb") as log:
            log.seek(self._seen_bytes)
            return _STARTED in log.read()

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        java = find_program("java", "openjdk-17-jre-headless")
        options = [*_SHORT_LIVED, "-Xmx512m", f"-Dlog4j2.configurationFile={self._log4j}"]
        return [java, *options, "-cp", f"{_jars()}/*", main_class, *arguments]


def _jars() -> Path:
    """The folder with Kafka's jars: fetched once for each version of the pom, shared by all work trees.

    Raises:
        MissingServer: Maven is needed and not installed.
        ServerFailed: Maven could not fetch the jars.
    """
    cache = Path(os.environ.get("AMANA_CACHE", "~/.cache/amana")).expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(_POM.read_bytes()).hexdigest()
    jars = cache / f"kafka-{_VERSION}"
    stamp = jars / "pom.sha256"
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _fetch(jars, wanted)
    return jars


def _fetch(jars: Path, wanted: str) -> None:
    maven = find_program("mvn", "maven")
    with tempfile.TemporaryDirectory(dir=jars.parent) as work:
        command = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"Maven did not fetch Kafka {_VERSION}:\n{done.stdout[-2000:]}")
        (Path(work) / "jars" / "pom.sha256").write_text(wanted)
        shutil.rmtree(jars, ignore_errors=True)
        (Path(work) / "jars").rename(jars)
