"""Writes a person's signature into a contract's file, and takes out those on what it said before."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sharing import located
from sharing.contracts import Contract, Signature, parse, text_of
from sharing.errors import ContractError
from sharing.signers import Signers, sign

_SECTION = re.compile(r"^signatures:", re.MULTILINE)


def approve(path: Path, signer: str, key: Ed25519PrivateKey, signers: Signers) -> Contract:
    """Sign the file's contract as `signer`; returns it as it now is.

    Raises ContractError when the signer is not known, the key is another's, or the person has signed already.
    """
    text = text_of(path)
    contract = parse(text, str(path))
    standing = tuple(each for each in contract.signatures if _stands(contract, each, signers))
    if any(each.signer == signer for each in standing):
        raise ContractError(f"{path}: {signer} has signed already; expected another person")
    mine = sign(contract, signer, key)
    signers.check(msgspec.structs.replace(contract, signatures=(mine,)), str(path))
    signed = msgspec.structs.replace(contract, signatures=(*standing, mine))
    written = _with(text, signed.signatures)
    if len(written) > located.MAX_CHARACTERS:
        raise ContractError(f"{path}: longer than {located.MAX_CHARACTERS} characters with the signature")
    if not _says(written, signed):
        raise ContractError(
            f"{path}: expected `signatures` to be the last part of the file, without quotes, and no `...` at its end"
        )
    _replace(path, written)
    return signed


def _says(text: str, contract: Contract) -> bool:
    try:
        return parse(text, "") == contract
    except ContractError:  # of lines that are not in the file
        return False


def _replace(path: Path, text: str) -> None:
    """The file whole or as it was; through a link, so that the link stays one. Raises ContractError."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}; expected a folder that can be written to") from None
    finally:
        temporary.unlink(missing_ok=True)


def _stands(contract: Contract, signature: Signature, signers: Signers) -> bool:
    try:
        signers.check(msgspec.structs.replace(contract, signatures=(signature,)), "")
    except ContractError:
        return False
    return True


def _with(text: str, signatures: Sequence[Signature]) -> str:
    found = _SECTION.search(text)
    body = text[: found.start()] if found else text
    lines = [
        f"  - signer: {each.signer}\n    signature: {base64.b64encode(each.signature).decode()}\n"
        for each in signatures
    ]
    return f"{body.rstrip()}\nsignatures:\n{''.join(lines)}"
