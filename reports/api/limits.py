"""How much and how often: bodies are counted as they arrive, requests by token or by address."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from reports.api.problems import Problem

__all__ = ["AT_HAND", "Buckets", "at_hand", "body_of", "check_size"]

_KNOWN = 10_000
AT_HAND = 1 << 16
"""So many bytes of a body a server reads ahead of whoever asks for them."""


@dataclass
class _Bucket:
    left: float
    at: float


class Buckets:
    """Token buckets by name: `rate` requests a second, and twice that at once; the least used are forgotten."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str, cost: float = 1.0) -> None:
        """Take one request; raises Problem 429, with when to try again, where none is left."""
        now = time.monotonic()
        bucket = self._buckets.setdefault(name, _Bucket(2 * self.rate, now))
        self._buckets.move_to_end(name)
        if len(self._buckets) > _KNOWN:
            self._buckets.popitem(last=False)
        bucket.left = min(2 * self.rate, bucket.left + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.left < cost:
            wait = max(1, round((cost - bucket.left) / self.rate + 0.5))
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-requests",
                f"At most {self.rate:g} requests a second are taken. Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
        bucket.left -= cost


def at_hand(request: Request) -> bool:
    """Whether a body is so small that its connection holds it all, whoever sent it, before anybody looks at it."""
    declared = request.headers.get("content-length", "")
    return declared.isdecimal() and int(declared) <= AT_HAND


async def body_of(request: Request, most: int) -> bytes:
    """Return a request's body; raises Problem 413 as soon as it is known to be larger than it may be."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect as gone:
        raise Problem(HTTPStatus.BAD_REQUEST, "incomplete", "The body ended before it was whole.") from gone
    return b"".join(parts)


def check_size(content: bytes, most: int) -> None:
    """Raise Problem 413 for a body that was read already and is larger than its kind may be."""
    if len(content) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"A body of this kind may have {most:,} bytes at most. Send less at once.",
    )
