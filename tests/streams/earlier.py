"""`amana` as an earlier version, with fewer families: `python -m tests.streams.earlier screen`."""

from functools import partial

from features.definitions import FAMILIES, Definitions
from streams.bootstrap import screen
from streams.cli import main

EARLIER = Definitions(tuple(feature for family in FAMILIES[:-2] for feature in family.features))

if __name__ == "__main__":
    screen.screen_worker = partial(screen.screen_worker, definitions=EARLIER)
    main()
