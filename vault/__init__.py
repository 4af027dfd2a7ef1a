"""What is secret: keyrings with versions, pseudonyms, envelopes, blind indexes.

In: canonical values, bytes to seal, a key file. Out: pseudonyms, search tokens, sealed envelopes.
Never: a key or a personal value in an error, a repr or a log; a clock; an import of another room.
"""
