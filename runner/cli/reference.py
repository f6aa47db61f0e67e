"""The command reference: `python -m runner.cli.reference` prints docs/commands.md, from the commands themselves."""

import click

from runner.cli.main import cli

__all__ = ["reference"]

_HEAD = """# Commands

Generated from the commands themselves by `python -m runner.cli.reference`.

| exit code | means |
|---|---|
| 0 | passed; done |
| 1 | failed: a weakness was found |
| 2 | usage, or an invalid file: says file, line, field and what was expected |
| 3 | inconclusive: nothing can be concluded, or nothing matched |
| 4 | a tool, a privilege or a backend is missing, or a bug |
| 5 | a guardrail or a person said no, and nothing of it is left |
| 6 | residue: something could not be undone; it is named, with the command that removes it |

With `--output json`, standard output is one JSON document and everything else goes to standard error.
"""


def reference() -> str:
    """Return the reference as Markdown."""
    return "\n".join([_HEAD, *(section for section in _sections(cli, "chaosctl"))])


def _sections(command: click.Command, path: str) -> list[str]:
    with click.Context(command, info_name=path) as context:
        if isinstance(command, click.Group):
            found = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
            return [section for name, sub in found if sub for section in _sections(sub, f"{path} {name}")]
        return [_section(command, path, context)]


def _section(command: click.Command, path: str, context: click.Context) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    text = (command.help or "").replace("\n    ", "\n").strip()
    options = [option for option in command.params if isinstance(option, click.Option)]
    rows = [f"| `{_written(option)}` | {_cell(option)} |" for option in options]
    table = ["| option | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join([f"## {path}", "", f"    {usage}", "", text, "", *table])


def _written(option: click.Option) -> str:
    name = ", ".join(option.opts)
    if option.is_flag:
        return name
    choices = "\\|".join(str(choice) for choice in option.type.choices) if isinstance(option.type, click.Choice) else ""
    return f"{name}={choices or option.metavar or option.type.name.upper()}"


def _cell(option: click.Option) -> str:
    return (option.help or "").replace("|", "\\|")


if __name__ == "__main__":
    click.echo(reference())
