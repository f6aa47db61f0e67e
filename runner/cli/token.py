"""`chaosctl token`: who may use the ingestion API."""

import json

import click

from runner.cli.stored import store_options, store_url, tell

__all__ = ["command"]

_SCOPES = "ingest", "read"
_PROJECT = "Whose runs it reads and writes. Default: it reads those of all, and writes runs that are of no project."


@click.group(name="token", help="Make, list and revoke tokens for the ingestion API.")
def command() -> None:
    """Hold the commands together."""


@command.command()
@click.option("--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, required=True, help="What it may do.")
@click.option("--project", default="", metavar="NAME", help=_PROJECT)
@click.option("--expires", default="90d", show_default=True, metavar="DURATION", help="365d at most.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@store_options
def create(store: str, environment: str, output: str, scopes: tuple[str, ...], **about: str) -> None:
    """Make a token and show it, once: only its hash is kept."""
    from reports.store import open_store  # noqa: PLC0415 - `--help` imports click alone
    from reports.tokens import create as make  # noqa: PLC0415 - as above
    from runner.model import iso, parse_duration  # noqa: PLC0415 - as above
    from runner.origin import user  # noqa: PLC0415 - as above

    seconds = parse_duration(about["expires"])
    with open_store(store_url(store, environment)) as opened:
        token, shown = make(opened, scopes, about["project"], seconds, made_by=user(), about=about["note"])
    if output == "json":
        click.echo(json.dumps(vars(token) | {"token": shown}))
        return
    click.echo(shown)
    whose = f" of {token.project}" if token.project else ""
    click.echo(
        f"This is shown once. Token {token.id} may {token.scopes.replace(' ', ' and ')} runs{whose} until "
        f"{iso(token.expires)[:10]}.\nchaosctl token revoke {token.id} ends it before that.",
        err=True,
    )


@command.command(name="list")
@store_options
def list_tokens(store: str, environment: str, output: str) -> None:
    """List all tokens, without what their holders present."""
    from reports.store import open_store  # noqa: PLC0415 - `--help` imports click alone
    from reports.tokens import listed  # noqa: PLC0415 - as above
    from runner.model import iso  # noqa: PLC0415 - as above

    with open_store(store_url(store, environment)) as opened:
        found = listed(opened)
    if output == "json":
        click.echo(json.dumps({"tokens": [vars(token) | {"live": token.live} for token in found]}))
        return
    for token in found:
        state = "revoked" if token.revoked else "valid until" if token.live else "expired"
        until = iso(token.revoked or token.expires)[:10]
        whose = f"{token.scopes} for {token.project or 'all projects'}, by {token.made_by}"
        tell(f"{token.id}  {state} {until}  {whose}  {token.note}".rstrip())
    if not found:
        click.echo("There is no token yet: chaosctl token create --scope ingest makes one.")


@command.command()
@click.argument("ident", metavar="ID")
@store_options
def revoke(store: str, environment: str, output: str, ident: str) -> None:
    """Refuse a token from now on."""
    from reports.store import open_store  # noqa: PLC0415 - `--help` imports click alone
    from reports.tokens import revoke as end  # noqa: PLC0415 - as above
    from runner.origin import user  # noqa: PLC0415 - as above

    with open_store(store_url(store, environment)) as opened:
        token = end(opened, ident, by=user())
    click.echo(json.dumps({"revoked": token.id}) if output == "json" else f"Token {token.id} is refused from now on.")
