"""What a worker measures, and the HTTP endpoints that tell it: /metrics (Prometheus), /health/live, /health/ready."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streams.errors import Unservable

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """One registry a process. Labels are topics, stages, reasons, outcomes: never a value from an event."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("amana_events", "Raw records taken in", ["topic"], registry=self.registry)
        self.refused = Counter("amana_refused", "Raw records refused by the guard", ["reason"], registry=self.registry)
        self.alarms = Counter("amana_card_alarms", "Raw records with a card number", registry=self.registry)
        self.facts = Counter("amana_facts", "Facts written or applied", ["stage"], registry=self.registry)
        self.repeats = Counter("amana_repeats", "Facts dropped as repeats", registry=self.registry)
        self.late = Counter(
            "amana_late", "Facts more than the lateness behind their partition", ["event"], registry=self.registry
        )
        self.decisions = Counter("amana_decisions", "Decisions published", ["outcome"], registry=self.registry)
        self.fallbacks = Counter(
            "amana_fallback_decisions", "Orders answered by the fallback", ["outcome"], registry=self.registry
        )
        self.overdue_s = Histogram(
            "amana_fallback_overdue_seconds",
            "From an order's deadline to the fallback's answer",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.undecided = Gauge("amana_fallback_waiting", "Orders that wait for a decision", registry=self.registry)
        self.cases = Counter("amana_cases", "Flagged decisions handed to the case store", registry=self.registry)
        self.shared = Counter("amana_partner_messages", "Messages to partners", ["partner"], registry=self.registry)
        self.unusable = Counter(
            "amana_promotions_refused", "Promotions that this worker could not take", ["of"], registry=self.registry
        )
        for of in ("models", "rules"):  # there from the start, so that an alert on their growth sees the first
            self.unusable.labels(of)
        self.chunk_s = Histogram(
            "amana_chunk_seconds", "Time to handle a chunk", ["stage"], registry=self.registry, buckets=SECONDS
        )
        self.lag = Gauge(
            "amana_lag", "Records behind the end of the log", ["topic", "partition"], registry=self.registry
        )


async def serve(metrics: Metrics, ready: Callable[[], bool], host: str, port: int) -> web.AppRunner:
    """Serve until the returned runner is cleaned up. Raises Unservable."""

    async def expose(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), content_type="text/plain", charset="utf-8")

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def is_ready(_: web.Request) -> web.Response:
        return web.json_response({"ready": ready()}, status=200 if ready() else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", expose), web.get("/health/live", live), web.get("/health/ready", is_ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise Unservable(f"metrics at {host}:{port}: {error.strerror or type(error).__name__}") from None
    return runner
