class Subjects(dict[str, bytes]):
    """The vault's store of wrapped subject keys, in memory."""

    def put(self, subject: str, wrapped: bytes) -> bytes:
        return self.setdefault(subject, wrapped)

    def delete(self, subject: str) -> None:
        self.pop(subject, None)
