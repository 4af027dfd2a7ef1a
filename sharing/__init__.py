"""What we tell: contracts, and projections that let through nothing else.

In: a contract's file, an order with its decision. Out: a message that holds the contract's fields and no others.
Never: a raw event, free text, a value in an error; a field that no contract names.
"""
