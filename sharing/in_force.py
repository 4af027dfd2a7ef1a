"""The contracts of a folder that may be acted on: signed by as many people as they need, and in force.

The folder holds the newest version of each contract, `past/NAME-VERSION.yaml` those before it. A version is held
against the one before, which must itself be signed, back to the first: what has nothing before it is new, and needs two
people.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from sharing.contracts import Contract, load
from sharing.errors import ContractError
from sharing.fields import FIELDS
from sharing.operators import Echo
from sharing.signers import Signers
from sharing.widening import signatures_needed


def load_all(folder: Path, signers: Signers, today: date, demo: bool = False) -> list[Contract]:
    """The contracts in force on a day, by partner. `demo` allows pushing to this machine.

    Raises ContractError for a contract that is ill-formed, unsigned, expired, not yet valid, or open to doubt about
    whose ids it gives back.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ContractError(f"{folder}: expected contracts, NAME.yaml")
    found = [load_one(path, signers, today) for path in paths]
    for path, contract in zip(paths, found, strict=True):
        if contract.to_this_machine and not demo:
            raise ContractError(f"{path}: pushes to this machine; only a demonstration may")
    _check_apart(folder, zip(paths, found, strict=True))
    _check_issuers(zip(paths, found, strict=True))
    return found


def versions(path: Path) -> list[tuple[Path, Contract]]:
    """The contract's file and those of the versions before it without a gap, the oldest first. Raises ContractError."""
    found = [(path, load(path))]
    _check_newest(path, found[0][1].version)
    while (number := found[0][1].version - 1) and (before := _past(path, number)).exists():
        contract = load(before)
        if contract.version != number:
            raise ContractError(f"{before}: expected version {number}, not {contract.version}")
        found.insert(0, (before, contract))
    return found


def previous(path: Path) -> Contract | None:
    """The version before a contract's file; None for a first one. Raises ContractError."""
    found = versions(path)
    return found[-2][1] if len(found) > 1 else None


def check_signed(chain: Sequence[tuple[Path, Contract]], signers: Signers) -> None:
    """Raises ContractError unless every version is signed by as many people as it needs, given the one before."""
    before: Contract | None = None
    for path, contract in chain:
        signers.check(contract, str(path))
        needed = signatures_needed(before, contract)
        if len(contract.signatures) < needed:
            more = "tells more than the version before" if before else "is new"
            raise ContractError(
                f"{path}: {more if needed == 2 else 'tells no more'}, so {needed} people must have signed it; "
                f"{len(contract.signatures)} did"
            )
        before = contract


def load_one(path: Path, signers: Signers, today: date) -> Contract:
    """The version of a contract's file that is in force: the newest that has begun, signed as it must be.

    An older one is not gone back to when it ends. Raises ContractError.
    """
    chain = versions(path)
    begun = [(place, each) for place, (_, each) in enumerate(chain) if each.valid_from <= today]
    if not begun:
        raise ContractError(f"{path}: begins on {chain[0][1].valid_from}; today is {today}")
    place, contract = begun[-1]
    if not contract.in_force(today):
        raise ContractError(f"{chain[place][0]}: ended on {contract.valid_until}; today is {today}")
    check_signed(chain[: place + 1], signers)
    return contract


def _past(path: Path, version: int) -> Path:
    return path.parent / "past" / f"{path.stem}-{version}.yaml"


def _check_newest(path: Path, version: int) -> None:
    """An old version that is put back is signed, too: that newer ones are in the past gives it away."""
    numbers = (each.stem.removeprefix(f"{path.stem}-") for each in path.parent.glob(f"past/{path.stem}-*.yaml"))
    newest = max((int(number) for number in numbers if number.isdecimal()), default=0)
    if newest >= version:
        raise ContractError(f"{path}: version {version}, but past has version {newest}; expected the newest here")


def _check_apart(folder: Path, contracts: Iterable[tuple[Path, Contract]]) -> None:
    """One file a partner and purpose. An old version put back under another name is signed, too, and would tell on."""
    replaced = set(_hashes(sorted(folder.glob("past/*.yaml"))))
    known: dict[tuple[str, str], Path] = {}
    for path, contract in contracts:
        first = known.setdefault((contract.partner, contract.purpose), path)
        if first != path:
            raise ContractError(f"{path}: {first.name} tells {contract.partner} for {contract.purpose} already")
        if not replaced.isdisjoint(_hashes([path])):
            raise ContractError(f"{path}: was replaced, it stands in past; expected the newest version here")


def _hashes(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with suppress(ContractError):  # of the past also what is no contract by today's terms
            yield load(path).hash()


def _check_issuers(contracts: Iterable[tuple[Path, Contract]]) -> None:
    """An event does not say who issued a payment's or a parcel's id: two partners of a kind might get each other's."""
    given: dict[str, str] = {}
    for path, contract in contracts:
        for term in contract.fields:
            if isinstance(term, Echo) and FIELDS[term.name].issued_by is None:
                first = given.setdefault(term.name, contract.partner)
                if first != contract.partner:
                    raise ContractError(f"{path}: {term.name} is given back to {first} already; it has one issuer")
