"""The contracts of a folder that may be acted on: well-formed, and signed by as many people as they need.

The folder holds the newest version of each contract, `past/NAME-VERSION.yaml` those before it. A version is held
against the one before, which must itself be signed, back to the first: what has nothing before it is new, and needs two
people.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from glob import escape
from pathlib import Path

from sharing.contracts import Contract, load
from sharing.errors import ContractError
from sharing.fields import FIELDS
from sharing.operators import Echo
from sharing.signers import Signers
from sharing.standing import why
from sharing.widening import signatures_needed


def load_all(folder: Path, signers: Signers, today: date, demo: bool = False) -> list[Contract]:
    """The contracts that hold on a day, by partner, each as `begun` finds it. `demo` allows pushing to this machine.

    One that has ended or not begun is among them: nothing new is told under it (`Contract.in_force`), and what it told
    can be taken back. Raises ContractError for a contract that is ill-formed, unsigned, or open to doubt about whose
    ids it gives back.
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ContractError(f"{folder}: expected contracts, NAME.yaml")
    found = [_signed(begun(path, today), signers) for path in paths]
    for path, contract in zip(paths, found, strict=True):
        if contract.to_this_machine and not demo:
            raise ContractError(f"{path}: pushes to this machine; only a demonstration may")
    _check_apart(folder, zip(paths, found, strict=True))
    _check_issuers(zip(paths, found, strict=True), today)
    return found


def begun(path: Path, today: date) -> list[tuple[Path, Contract]]:
    """A contract's versions up to the one that holds on a day: the newest that has begun, or the first where none has.

    An older one is not gone back to when it ends. Raises ContractError.
    """
    chain = versions(path)
    return [pair for pair in chain if pair[1].valid_from <= today] or chain[:1]


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


def replaced(folder: Path, today: date) -> dict[bytes, bytes]:
    """By the hash of each version that another has taken the place of, the hash of the one that holds on a day."""
    found: dict[bytes, bytes] = {}
    for path in sorted(folder.glob("*.yaml")):
        *before, (_, now) = begun(path, today)
        found |= {bytes.fromhex(each.hash()): bytes.fromhex(now.hash()) for _, each in before}
    return found


def load_one(path: Path, signers: Signers, today: date) -> Contract:
    """The version of a contract's file that is in force, signed as it must be. Raises ContractError for none."""
    chain = begun(path, today)
    place, contract = chain[-1]
    if not contract.in_force(today):
        named = path if today < contract.valid_from else place
        raise ContractError(f"{named}: {why(contract, today)}; today is {today}")
    return _signed(chain, signers)


def _signed(chain: Sequence[tuple[Path, Contract]], signers: Signers) -> Contract:
    check_signed(chain, signers)
    return chain[-1][1]


def _past(path: Path, version: int) -> Path:
    return path.parent / "past" / f"{path.stem}-{version}.yaml"


def _check_newest(path: Path, version: int) -> None:
    """An old version that is put back is signed, too: that newer ones are in the past gives it away."""
    past = path.parent.glob(f"past/{escape(path.stem)}-*.yaml")
    numbers = (each.stem.removeprefix(f"{path.stem}-") for each in past)
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


def _check_issuers(contracts: Iterable[tuple[Path, Contract]], today: date) -> None:
    """An event does not say who issued a payment's or a parcel's id: two partners of a kind might get each other's.

    One whose contract has ended is told no ids any more, and one that begins when another's ends takes its place.
    """
    given: dict[str, list[Contract]] = {}
    for path, contract in contracts:
        if contract.valid_until < today:
            continue
        for term in contract.fields:
            if isinstance(term, Echo) and FIELDS[term.name].issued_by is None:
                for other in given.setdefault(term.name, []):
                    if other.partner != contract.partner and _overlap(other, contract):
                        raise ContractError(
                            f"{path}: {term.name} is given back to {other.partner} already; it has one issuer"
                        )
                given[term.name].append(contract)


def _overlap(one: Contract, other: Contract) -> bool:
    return one.valid_from <= other.valid_until and other.valid_from <= one.valid_until
