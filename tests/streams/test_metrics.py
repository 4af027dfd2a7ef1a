"""The health and metrics endpoints."""

import asyncio
import socket
from collections.abc import Callable

import aiohttp
import pytest

from streams.errors import Unservable
from streams.metrics import Metrics, serve
from tests.harness import free_port


def fetch(metrics: Metrics, ready: Callable[[], bool], path: str) -> tuple[int, str, str]:
    """Status, content type and body."""

    async def work() -> tuple[int, str, str]:
        port = free_port()
        site = await serve(metrics, ready, "127.0.0.1", port)
        try:
            async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, answer.content_type, await answer.text()
        finally:
            await site.cleanup()

    return asyncio.run(work())


def test_a_process_that_answers_is_alive() -> None:
    assert fetch(Metrics(), lambda: False, "/health/live") == (200, "application/json", '{"live": true}')


def test_a_worker_is_ready_when_it_says_so() -> None:
    assert fetch(Metrics(), lambda: True, "/health/ready") == (200, "application/json", '{"ready": true}')
    assert fetch(Metrics(), lambda: False, "/health/ready") == (503, "application/json", '{"ready": false}')


def test_a_place_that_cannot_be_served_at_is_a_stated_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unservable, match=f"metrics at 127.0.0.1:{port}: .*address already in use"):
            asyncio.run(serve(Metrics(), lambda: True, "127.0.0.1", port))


def test_what_was_counted_is_exposed_in_prometheus_text() -> None:
    metrics = Metrics()
    metrics.events.labels("orders").inc(3)
    metrics.decisions.labels("block").inc()
    metrics.refused.labels("refused.card_number").inc(2)
    metrics.lag.labels("orders", "1").set(7)
    metrics.chunk_s.labels("screen").observe(0.004)
    status, kind, text = fetch(metrics, lambda: True, "/metrics")
    assert (status, kind) == (200, "text/plain")
    for line in (
        'amana_events_total{topic="orders"} 3.0',
        'amana_decisions_total{outcome="block"} 1.0',
        'amana_refused_total{reason="refused.card_number"} 2.0',
        'amana_lag{partition="1",topic="orders"} 7.0',
        'amana_chunk_seconds_bucket{le="0.005",stage="screen"} 1.0',
    ):
        assert line in text.splitlines()


def test_two_workers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.cases.inc()
    assert other.registry.get_sample_value("amana_cases_total") == 0.0
