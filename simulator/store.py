"""The simulated store: day after day, plans in time order, stories written, events given out in event-time order."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from simulator import clock, shopping
from simulator.catalogue import Catalogue
from simulator.frauds import KINDS
from simulator.ids import Ids
from simulator.journal import Journal, Simulated
from simulator.people import Population
from simulator.settings import Settings
from simulator.shopping import Shop

Story = Callable[[int], None]
Plan = tuple[int, Story]


def simulate(settings: Settings) -> Iterator[Simulated]:
    """The store's events in event-time order, a day's block at a time; what would come after the last day is not told.

    The same settings give the same events, byte for byte, in every process.
    """
    shop = _open(settings)
    start_ms = int(settings.start.timestamp() * 1000)
    for day in range(settings.days):
        midnight_ms = start_ms + day * clock.DAY_MS
        rng = Random(f"{settings.seed}/day/{day}")
        factor = clock.week_factor((settings.start.weekday() + day) % 7)
        for at_ms, story in sorted(_plans(shop, rng, day, factor), key=lambda plan: plan[0]):
            story(midnight_ms + at_ms)
        yield from shop.journal.until(midnight_ms + clock.DAY_MS)


def _open(settings: Settings) -> Shop:
    ids = Ids(settings.seed)
    catalogue = Catalogue(Random(f"{settings.seed}/catalogue"), ids)
    return Shop(Journal(ids), catalogue, Population(Random(f"{settings.seed}/people"), ids, settings), settings)


def _plans(shop: Shop, rng: Random, day: int, factor: float) -> Iterator[Plan]:
    """A day's stories with their starts, in milliseconds after midnight."""
    settings = shop.settings
    orders = settings.orders_per_day * factor
    genuine = orders * (1 - settings.fraud_share)
    visits = genuine * (1 - shopping.AGAIN)
    for _ in range(clock.count(rng, visits * shopping.GROUPS / (sum(shopping.GROUP) / 2))):
        yield clock.moment_of_day(rng, 3, 0.0), partial(shopping.group_order, shop, rng)
    for _ in range(clock.count(rng, visits * (1 - shopping.GROUPS))):
        newcomer = rng.random() < shopping.NEWCOMERS
        customer = shop.population.person(rng, guest=0.3) if newcomer else shop.population.customer(rng)
        at_ms = clock.moment_of_day(rng, customer.country.utc_offset_h, customer.night_owl)
        yield at_ms, partial(shopping.order, shop, rng, customer, newcomer=newcomer)
        if newcomer:
            shop.population.welcome(rng, customer)
    for _ in range(clock.count(rng, genuine * settings.browsing)):
        yield clock.moment_of_day(rng, 3, 0.4), partial(shopping.window_shopping, shop, rng)
    for number, kind in enumerate(KINDS):
        a_day = settings.orders_per_day * settings.fraud_share * settings.mix.share(kind.name) / kind.orders
        told = number / len(KINDS) + a_day * day
        for _ in range(int(told + a_day) - int(told)):
            yield clock.moment_of_day(rng, 3, 0.5), partial(kind.story, shop, rng)
