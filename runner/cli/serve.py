"""`chaosctl serve`: the ingestion API over a report store."""

import os
from typing import Any

import click

from runner.cli.options import env_option
from runner.cli.stored import declared, store_option, store_url

__all__ = ["command"]


@click.command(name="serve", help="Serve the ingestion API: runs come in over HTTP, and are judged here.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes any free one.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many answer requests.")
@click.option("--judges", type=click.IntRange(0, 64), default=None, help="How many judge bulks. Default: one a core.")
@click.option("--rate", type=click.FloatRange(1), default=500, show_default=True, help="Requests a second and token.")
@click.option("--public-read", is_flag=True, help="Let everybody read without a token; writing needs one always.")
@click.option("--tls-cert", default="", metavar="FILE", help="Serve HTTPS by this certificate chain.")
@click.option("--tls-key", default="", metavar="FILE", help="Its key.")
@store_option
@env_option
def command(host: str, port: int, processes: int, judges: int | None, store: str, environment: str, **how: Any) -> None:
    """Open the store, take the address, say where it is, and serve until a signal."""
    from reports.api.process import check_certificate, listen, serve  # noqa: PLC0415 - `--help` imports click alone
    from reports.api.service import Settings  # noqa: PLC0415 - as above

    check_certificate(how["tls_cert"], how["tls_key"])
    settings = Settings(
        store_url=store_url(store, environment),
        rate=how["rate"],
        public_read=how["public_read"],
        judges=os.cpu_count() or 1 if judges is None else judges,
        declared=declared(),
    )
    listening = listen(host, port)
    click.echo(f"Serving {listening.url(tls=bool(how['tls_cert']))}/api/v1; Ctrl-C ends it.", err=True)
    serve(settings, listening, processes, how["tls_cert"], how["tls_key"])
