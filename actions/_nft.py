"""Rule text for nft: pure functions that return text and commands, and touch nothing."""

from collections.abc import Iterable

from runner.model import Command
from runner.tables import table

__all__ = ["SCRATCH", "dry", "load", "match_bytes", "ruleset", "timeout"]

SCRATCH = "unshare", "--net"
"""Runs what follows in a network namespace of its own, which ends with it."""

_PIECE = 16
_FARTHEST = 255


def timeout(seconds: float) -> str:
    """Return a time as nft writes it, to the millisecond."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole}s{milliseconds}ms" if milliseconds else f"{whole}s"


def ruleset(fault_id: str, comment: str, body: Iterable[str]) -> str:
    """Return a file for `nft -f` that makes the fault's table or fails as a whole.

    `create` fails where the table exists: loading twice would double its rules. It is a statement of its own because
    nft 1.0.6 takes nothing but the comment from its block.
    """
    name = table(fault_id)
    lines = [f'create table inet {name} {{ comment "{comment}"; }}', f"table inet {name} {{", *body, "}"]
    return "\n".join(lines) + "\n"


def load(text: str) -> Command:
    """Return the command that commits a ruleset in one transaction."""
    return Command(("nft", "-f", "-"), text)


def dry(text: str) -> Command:
    """Return the command that asks nft and the kernel whether they would take a ruleset, and commits nothing."""
    return Command(("nft", "--check", "-f", "-"), text)


def match_bytes(base: str, offset: int, pattern: bytes, mask: bytes) -> str:
    """Return the match of bytes at an offset (in bytes) of `ih`, the inner header, or `th`, the transport header.

    One expression holds 128 bits, so longer patterns are chained; each starts at most 255 bytes in.
    """
    parts = []
    for start in range(0, len(pattern), _PIECE):
        piece, masked = pattern[start : start + _PIECE], mask[start : start + _PIECE]
        if offset + start > _FARTHEST:
            raise ValueError(f"nft cannot look {offset + start} bytes into a packet")
        where = f"@{base},{(offset + start) * 8},{len(piece) * 8}"
        parts.append(f"{where} & 0x{masked.hex()} == 0x{piece.hex()}")
    return " ".join(parts)
