"""`chaosctl doctor`: what is missing here, for which fault, and how to get it."""

import json
import sys

import click

from runner.cli.options import env_option, output_option

__all__ = ["command"]


@click.command()
@env_option
@output_option
def command(environment: str, output: str) -> None:
    """Say what is missing here, for which fault, and how to get it; touches nothing.

    What the kernel has is tried in network namespaces that end at once, which may load its modules.

    Exit code 0: all faults can be had and the environment answers; 4: something is missing.
    """
    from runner.doctor import examine  # noqa: PLC0415 - `--help` imports click alone

    findings = examine(environment)
    if output == "json":
        click.echo(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{'ok' if finding.ok else 'MISSING':<8} {finding.what:<28} {finding.told}")
            if finding.fix:
                click.echo(f"{'':<37} {finding.fix}")
    sys.exit(0 if all(finding.ok for finding in findings) else 4)
