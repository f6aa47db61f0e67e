"""The lab's customers: 40 requests a second to each service, in an open loop.

An open loop does not wait for answers: a slow service meets as many requests as a quick one, as it would in
production, so that failures are not hidden by requests that were never made.
Usage: python -m lab.traffic [--rate N] [--reconnect] URL...
`--rate` is in requests a second to each. `--reconnect` takes a new connection for every one: balancers choose by those.
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

__all__ = ["main"]

RATE = 40.0
TIMEOUT = 3.0


async def drive(client: aiohttp.ClientSession, url: str, rate: float) -> None:
    """Send `rate` requests a second, whatever becomes of those before."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()
    due = loop.time()
    while True:
        await asyncio.sleep(due - loop.time())
        request = asyncio.create_task(_request(client, url))
        under_way.add(request)
        request.add_done_callback(under_way.discard)
        # What a busy machine is late with is made up for; after a longer sleep nothing is owed.
        due = max(due + 1 / rate, loop.time() - 1.0)


async def main(urls: Sequence[str], rate: float = RATE, reconnect: bool = False) -> None:
    """Drive all services until ended."""
    connector = aiohttp.TCPConnector(limit=0, force_close=reconnect, use_dns_cache=False)
    patience = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as client:
        await asyncio.gather(*(drive(client, url, rate) for url in urls))


async def _request(client: aiohttp.ClientSession, url: str) -> None:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with client.get(url) as answer:
            await answer.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--reconnect", action="store_true")
    parser.add_argument("urls", nargs="+")
    asyncio.run(main(**vars(parser.parse_args())))
