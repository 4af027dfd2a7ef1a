"""A version's model card, in Markdown, and the plots beside it, as SVG files."""

from datetime import UTC, datetime

import msgspec

from models.manifest import Manifest
from models.page import drawing
from models.policy import Policy
from models.training import Drawn, Metrics

CARD = "README.md"
PLOTS = {
    "roc.svg": "ROC",
    "precision.svg": "Precision and recall",
    "found.svg": "Found by share of orders looked at",
    "calibration.svg": "Calibration",
}
_STYLE = (
    "<style>text{font:11px sans-serif;fill:#444}.grid{stroke:#e3e3e3}.even{stroke:#999;stroke-dasharray:4 3}"
    "polyline{fill:none;stroke-width:2}</style>"
    '<rect width="100%" height="100%" fill="white"/>'
)


def plots(drawn: Drawn | None, metrics: Metrics) -> dict[str, bytes]:
    """The card's SVG files by name; none where nothing was drawn."""
    if drawn is None:
        return {}
    curves, even = drawn.curves, ((0.0, 0.0), (1.0, 1.0))
    share = metrics.frauds / metrics.orders
    scale = max(max(group.score, group.fraud) for group in drawn.groups) or 1.0
    groups = [(group.score / scale, group.fraud / scale) for group in drawn.groups]
    found = {"frauds": curves.found, "their amount": curves.value}
    drawings = (
        drawing(PLOTS["roc.svg"], ("false positives", "found"), {"": curves.roc}, even, style=_STYLE),
        drawing(
            PLOTS["precision.svg"],
            ("found", "precision"),
            {"": curves.precision},
            ((0.0, share), (1.0, share)),
            style=_STYLE,
        ),
        drawing(PLOTS["found.svg"], ("orders looked at", "found"), found, even, style=_STYLE),
        drawing(
            PLOTS["calibration.svg"],
            ("score", "share of fraud"),
            {"": groups},
            even,
            dots=True,
            top=scale,
            style=_STYLE,
        ),
    )
    return {name: body.encode() + b"\n" for name, body in zip(PLOTS, drawings, strict=True)}


def card(manifest: Manifest) -> str:
    """The model card, in Markdown."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (manifest.from_ms, manifest.until_ms - 1))
    return f"""# Model {manifest.version}

The probability that an order is fraud, from {len(manifest.names)} features (definitions {manifest.definitions}).
For screening orders of the store whose history it learned from; not for judging persons, not for other stores.

- Learned from {manifest.orders} orders from {first} to {last} ({manifest.frauds} known to be fraud).
- The figures are of a model that learned in the same way from the first {manifest.learned_orders}
  ({manifest.learned_frauds} fraud) and was judged on the latest {manifest.metrics.orders}, by the labels known so far.
- Gradient-boosted trees, scikit-learn {manifest.scikit_learn}, seed {manifest.seed}.
- The outcome of an order is the one that is expected to cost least. Beside its own cost a review must save
  {manifest.policy.price_cents / 100:.2f} US dollars: chosen on the judged orders so that the analysts have time, so the
  shares and precisions below are a little optimistic.
- {_drift(manifest)}

| on the judged orders | |
|---|---|
{_metrics(manifest.metrics)}

{_pictures(manifest)}| an order of | is reviewed from | is blocked from |
|---|---|---|
{_thresholds(manifest)}

| cost table | |
|---|---|
{_costs(manifest.policy)}
"""


def _metrics(metrics: Metrics) -> str:
    values = msgspec.structs.asdict(metrics)
    return "\n".join(
        f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in values.items() if value is not None
    )


def _pictures(manifest: Manifest) -> str:
    shown = [f"![{title}]({name})" for name, title in PLOTS.items() if name in manifest.files]
    return "\n".join(shown) + "\n\n" if shown else ""


def _drift(manifest: Manifest) -> str:
    if not manifest.drift:
        return "No feature's population changed between the orders learned from and those judged on."
    named = ", ".join(f"{name} ({value:.2f})" for name, value in manifest.drift)
    return f"Features whose population changed in between, with their stability index: {named}."


def _thresholds(manifest: Manifest) -> str:
    return "\n".join(
        f"| {each.amount_usd:,.0f} USD | {each.review_at:.4g} | {each.block_at:.4g} |" for each in manifest.thresholds
    )


def _costs(policy: Policy) -> str:
    costs = msgspec.structs.asdict(policy.costs)
    return "\n".join(f"| {name.replace('_', ' ')} | {value:,.4g} |" for name, value in costs.items())
