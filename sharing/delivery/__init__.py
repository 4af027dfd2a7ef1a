"""Delivery: sealed messages on their way to a partner, and what the partner answers.

In: sealed bytes that the projector put into the outbox, partners' acknowledgements, their requests over HTTP.
Out: the same bytes on `share.<partner>.v1`, by push (RFC 8935) or poll (RFC 8936); leaves of the ledger for answers.
Never: a field of an order, a key that opens or signs a message, bytes whose hash the ledger does not hold.
"""
