"""Contracts for tests: the acquirer's text, and ones that use every operator."""

from sharing.contracts import FOLDER, Contract, parse

ACQUIRER = (FOLDER / "acquirer.yaml").read_text(encoding="utf-8").partition("signatures:")[0]
_TERMS = """
version: 1
purpose: dpv:FraudPreventionAndDetection
legal_basis: dpv:LegitimateInterest
retention_days: 30
onward_sharing: prohibited
valid_from: 2026-01-01
valid_until: 2026-12-31
policy_version: 2026-01
"""
EVERYTHING = f"""
partner: everything
kind: financial_institution
trigger: blocked
delivery: realtime
{_TERMS}
epochs: [{{number: 1, since: 2026-01-01}}, {{number: 2, since: 2026-03-02, key: 2}}]
fields:
  - {{name: psp_reference, operator: echo, reason: for the test}}
  - {{name: outcome, operator: keep, reason: for the test}}
  - {{name: verdict, operator: keep, reason: for the test}}
  - {{name: method, operator: keep, reason: for the test}}
  - {{name: three_ds, operator: keep, reason: for the test}}
  - {{name: avs, operator: keep, reason: for the test}}
  - {{name: instruction, operator: keep, reason: for the test}}
  - {{name: deadline, operator: truncate, to: hour, reason: for the test}}
  - {{name: reasons, operator: derive, reason: for the test}}
  - {{name: amount, operator: band, edges: [100, 1000, 5000], reason: for the test}}
  - {{name: occurred_at, operator: truncate, to: week, reason: for the test}}
  - {{name: ip, operator: truncate, to: network, reason: for the test}}
  - {{name: postal_code, operator: truncate, to: area, reason: for the test}}
  - {{name: delivery_area, operator: generalise, to: region, reason: for the test}}
  - {{name: issuer_country, operator: generalise, to: country, reason: for the test}}
  - {{name: last4, operator: last4, reason: for the test}}
  - {{name: customer_id, operator: pseudonym, reason: for the test}}
  - {{name: device_id, operator: pseudonym, reason: for the test}}
  - {{name: notice, operator: constant, value: "confidential, see contract", reason: for the test}}
"""
ROOTS = (b"p" * 32, b"q" * 32)


def shipped(name: str) -> Contract:
    """One of the contracts that come with Amana."""
    return parse((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


NAMES = ("acquirer", "carrier", "fellow-merchant", "law-enforcement", "successor", "verification-agency")
