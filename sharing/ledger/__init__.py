"""The disclosure ledger: an append-only Merkle tree (RFC 6962) of what was told, answered and taken back.

In: leaves, within the transaction of whoever discloses. Out: signed checkpoints, proofs, receipts.
Never: a personal value, an order's id, or a salt in anything that cannot be erased.
"""
