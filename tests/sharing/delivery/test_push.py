"""Push against real servers on this machine, with TLS and a name that a resolver of the test leads there."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sharing.delivery.desk import Answered, Failed, Outcome
from sharing.delivery.outbox import Parcel
from sharing.delivery.push import Push, PushSettings
from tests.sharing.delivery.fakes import jti
from tests.sharing.delivery.tls import Authority

NAME = "partner.example"
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = PushSettings(connect_s=2.0, total_s=5.0, loopback=True)


def parcel(number: int = 1) -> Parcel:
    return Parcel(number, jti(number), "acquirer", b"e30.sealed", False, 1, 0)


class Endpoint:
    """Reads each request, notes it, and answers with `answer`."""

    def __init__(self, answer: bytes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n") -> None:
        self.answer = answer
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.names: list[str | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers | {"request": first}, body))
        await self.respond(writer)

    async def respond(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer)
        await writer.drain()
        writer.close()


class Net:
    """Names and their addresses, an answer for each time that somebody asks; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def _pushed(
    authority: Authority,
    endpoint: Endpoint,
    *,
    net: Net | None = None,
    settings: PushSettings = QUICK,
    certified: str = NAME,
    trusting: ssl.SSLContext | None = None,
    parcels: Sequence[Parcel] = (parcel(),),
    url: str = f"https://{NAME}:{{port}}/events",
    checkpoint: Callable[[], bytes] | None = None,
) -> Sequence[Outcome]:
    server = await asyncio.start_server(endpoint.handle, "127.0.0.1", 0, ssl=authority.serving(certified))
    port = server.sockets[0].getsockname()[1]
    resolve = (net or Net(["127.0.0.1"])).resolve
    try:
        urls = {"acquirer": url.format(port=port)}
        push = Push(urls, trusting or authority.trusting(), settings, checkpoint, resolve)
        return await push.send("acquirer", parcels)
    finally:
        server.close()


def test_a_message_is_posted_as_the_rfc_says_and_202_acknowledges_it(authority: Authority) -> None:
    endpoint = Endpoint()
    (outcome,) = asyncio.run(_pushed(authority, endpoint, checkpoint=lambda: b"note"))
    assert outcome == Answered(None, b'{"err":null,"jti":"jti-000000000000000001","status":202}')
    ((headers, body),) = endpoint.requests
    assert body == b"e30.sealed"
    assert headers["request"] == "POST /events HTTP/1.1"
    assert (headers["content-type"], headers["accept"]) == ("application/secevent+jwt", "application/json")
    assert headers["host"].startswith("partner.example:")
    assert base64.urlsafe_b64decode(headers["amana-checkpoint"]) == b"note"
    assert "cookie" not in headers


def test_the_certificate_must_be_the_names_not_the_addresss(authority: Authority) -> None:
    endpoint = Endpoint()
    assert asyncio.run(_pushed(authority, endpoint, certified="127.0.0.1")) == [Failed("tls")]
    assert endpoint.requests == []


def test_the_certificate_must_be_from_who_is_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    assert asyncio.run(_pushed(authority, Endpoint(), trusting=other.trusting())) == [Failed("tls")]


@pytest.mark.parametrize("code", ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"])
def test_a_refusal_with_a_code_about_the_message_is_an_answer(authority: Authority, code: str) -> None:
    body = f'{{"err":"{code}","description":"words of theirs"}}'.encode()
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    (outcome,) = asyncio.run(_pushed(authority, Endpoint(answer + body)))
    assert outcome == Answered(code, f'{{"err":"{code}","jti":"{jti(1)}","status":400}}'.encode())


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        ("400 Bad Request", b'{"err":"authentication_failed"}', "authentication_failed"),
        ("400 Bad Request", b'{"err":"access_denied"}', "access_denied"),
        ("400 Bad Request", b'{"err":"of_their_own"}', "status_4xx"),
        ("400 Bad Request", b"<html>", "status_4xx"),
        ("401 Unauthorized", b"", "status_4xx"),
        ("200 OK", b"", "status_2xx"),
        ("503 Service Unavailable", b"", "status_5xx"),
        ("302 Found", b"", "redirect"),
    ],
)
def test_any_other_answer_is_tried_again(authority: Authority, status: str, body: bytes, reason: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with capture_logs() as logs:
        assert asyncio.run(_pushed(authority, Endpoint(answer))) == [Failed(reason)]
    assert [each for each in logs if each["event"] == "push.failed"] == [
        {
            "event": "push.failed",
            "log_level": "warning",
            "partner": "acquirer",
            "reason": reason,
            "status": int(status[:3]),
        }
    ]


def test_a_redirect_to_an_internal_address_is_not_followed(authority: Authority) -> None:
    async def scenario() -> tuple[Sequence[Outcome], list[object]]:
        inside = Endpoint()
        server = await asyncio.start_server(inside.handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        away = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n".encode()
        outcome = await _pushed(authority, Endpoint(away))
        server.close()
        return outcome, list(inside.requests)

    assert asyncio.run(scenario()) == ([Failed("redirect")], [])


def test_a_name_that_leads_elsewhere_after_the_check_changes_nothing(authority: Authority) -> None:
    net = Net(["127.0.0.1"], ["169.254.169.254"])
    endpoint = Endpoint()
    (outcome,) = asyncio.run(_pushed(authority, endpoint, net=net))
    assert isinstance(outcome, Answered)
    assert (len(net.asked), len(endpoint.requests)) == (1, 1)


def test_a_name_is_checked_anew_for_each_message(authority: Authority) -> None:
    net = Net(["127.0.0.1"], ["169.254.169.254"])
    one_by_one = PushSettings(total_s=5.0, at_once=1, loopback=True)
    outcomes = asyncio.run(_pushed(authority, Endpoint(), net=net, settings=one_by_one, parcels=[parcel(1), parcel(2)]))
    assert (type(outcomes[0]), outcomes[1]) == (Answered, Failed("address"))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1"])
def test_a_name_that_leads_inside_is_not_connected_to(authority: Authority, address: str) -> None:
    endpoint, strict = Endpoint(), PushSettings(total_s=5.0)
    net = Net([address])
    url = f"https://{NAME}/events"
    assert asyncio.run(_pushed(authority, endpoint, net=net, settings=strict, url=url)) == [Failed("address")]
    assert (endpoint.requests, net.asked) == ([], [(NAME, 443)])


@pytest.mark.parametrize(
    "url", [f"http://{NAME}/events", f"https://{NAME}:8443/events", f"https://a:b@{NAME}/events", f"ftp://{NAME}/"]
)
def test_only_https_on_443_is_pushed_to_and_nothing_is_looked_up_otherwise(authority: Authority, url: str) -> None:
    net = Net(["8.8.8.8"])
    strict = PushSettings(total_s=5.0)
    assert asyncio.run(_pushed(authority, Endpoint(), net=net, settings=strict, url=url)) == [Failed("url")]
    assert net.asked == []


def test_another_port_in_a_demonstration_leads_to_this_machine_alone(authority: Authority) -> None:
    net = Net(["8.8.8.8"])
    assert asyncio.run(_pushed(authority, Endpoint(), net=net)) == [Failed("url")]


def test_proxies_of_the_environment_are_not_asked(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (outcome,) = asyncio.run(_pushed(authority, Endpoint()))
    assert isinstance(outcome, Answered)


class Endless(Endpoint):
    """Says that it refuses, and goes on about it for ever."""

    async def respond(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 4096)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            writer.close()


class Dripping(Endpoint):
    """Never stops sending headers, one at a time: each read succeeds."""

    async def respond(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (ConnectionError, ssl.SSLError):
            pass
        writer.close()


class Deaf(Endpoint):
    """Takes a connection, and reads nothing."""

    async def handle(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)
        writer.close()


def test_an_oversized_answer_is_left_unread(authority: Authority) -> None:
    assert asyncio.run(_pushed(authority, Endless())) == [Failed("oversize")]


@pytest.mark.parametrize("endpoint", [Dripping(), Deaf()], ids=["dripping", "deaf"])
def test_a_slow_partner_has_its_time_and_no_more(authority: Authority, endpoint: Endpoint) -> None:
    hurried = PushSettings(total_s=1.0, loopback=True)
    assert asyncio.run(_pushed(authority, endpoint, settings=hurried)) == [Failed("timeout")]


def test_nobody_at_the_address_is_a_failure(authority: Authority) -> None:
    url = f"https://{NAME}:9/events"
    assert asyncio.run(_pushed(authority, Endpoint(), url=url)) == [Failed("connection")]
