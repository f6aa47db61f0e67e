"""chaosctl lab: a preprod on this machine, for trying things out and for the tests."""

import click

__all__ = ["command"]

_name = click.option("--name", default="lab", show_default=True, help="Which lab; several may run at once.")


@click.group(name="lab", help="A preprod of your own on this machine: a small payment system in network namespaces.")
def command() -> None:
    """Hold the three commands together."""


@command.command()
@_name
@click.option("--subnet", help="IPv4 range of 256 addresses; the IPv6 range follows from it.  [default: 10.213.0.0/24]")
@click.option("--scrape-interval", help="How often Prometheus looks, such as 15s.  [default: 1s]")
@click.option("--kubernetes", is_flag=True, help="A cluster of three workers instead; build its programs once before.")
def up(name: str, subnet: str | None, scrape_interval: str | None, kubernetes: bool) -> None:
    """Bring the lab up, healthy or not at all. A healthy one stays as it is."""
    from lab.up import up as bring_up  # noqa: PLC0415 - `--help` imports click alone
    from runner.model import parse_duration  # noqa: PLC0415 - as above

    bring_up(click.echo, name, subnet, parse_duration(scrape_interval) if scrape_interval else None, kubernetes or None)


@command.command()
@click.option("--kwok", is_flag=True, help="Also kwok, which thousands of nodes and pods are simulated with.")
def build(kwok: bool) -> None:
    """Build the programs of the Kubernetes lab, once; what was built or is in KUBEBUILDER_ASSETS is taken."""
    from lab.kubernetes.build import build as build_programs  # noqa: PLC0415 - `--help` imports click alone

    build_programs(click.echo, kwok)


@command.command()
@_name
def down(name: str) -> None:
    """Remove every trace of the lab, whatever became of it."""
    from lab.down import down as take_down  # noqa: PLC0415 - `--help` imports click alone

    take_down(name, click.echo)


@command.command()
@_name
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def status(context: click.Context, name: str, output: str) -> None:
    """Show each part, up or down; exit 0 if all are up, 3 otherwise."""
    import json  # noqa: PLC0415 - `--help` imports click alone

    from lab.plan import Lab  # noqa: PLC0415 - as above
    from lab.status import status as ask  # noqa: PLC0415 - as above

    parts = ask(Lab.on_this_machine(name) or Lab(name))
    healthy = all(part.up for part in parts)
    if output == "json":
        found = [{**vars(part), "up": part.up} for part in parts]
        click.echo(json.dumps({"lab": name, "healthy": healthy, "parts": found}, indent=2))
    else:
        for part in parts:
            state = "up  " if part.up else "down"
            click.echo(f"{state}  {part.name:15} {part.address:15} {part.address6:20} {part.trouble}".rstrip())
    context.exit(0 if healthy else 3)
