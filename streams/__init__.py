"""How it flows: Kafka and in-process transport, the workers, the embedded runner, the `amana` command.

In: raw records. Out: facts, decisions, partner messages, labels.
Never: a decision of its own; each stage is a plain function over chunks from another room.
"""
