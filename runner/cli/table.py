"""The table of faults: `python -m runner.cli.table` prints docs/faults.md, from what faults declare."""

from pathlib import Path

import click

from runner.discovery import fault, names
from runner.fault import Fault
from runner.parameters import Parameter, parameters

__all__ = ["table"]

_HEAD = """# Faults

Generated from the faults themselves by `make docs`: nothing here is written by hand. How a fault is proven is the first
sentence of that section of its page.

What ends a fault when every process of chaosctl is dead: `kernel`, a timeout in the kernel; `admission`, a time in a
policy that the API server checks; `guardian`, an undo armed at the target before the fault; `one-shot`, nothing: it is
over at once, and proves that it happened and that a replacement came.

| fault | what it does | parameters (optional ones in brackets) | mechanism | what ends it | proof | needs |
|---|---|---|---|---|---|---|"""

_PAGES = Path(__file__).parents[2] / "docs" / "faults"
_PROOF = "## How it is proven"


def table() -> str:
    """Return the table as Markdown; raises FileNotFoundError where a fault has no page yet."""
    return "\n".join([_HEAD, *(_row(fault(name)) for name in names())])


def _row(declared: type[Fault]) -> str:
    cells = (
        f"[{declared.name}](faults/{declared.name}.md)",
        _sentence(declared.__doc__ or ""),
        " ".join(_written(parameter) for parameter in parameters(declared)) or "none",
        declared.mechanism,
        f"`{declared.ends_by}`",
        _sentence((_PAGES / f"{declared.name}.md").read_text().partition(_PROOF)[2]),
        ", ".join(declared.needs),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _written(parameter: Parameter) -> str:
    option = f"`{parameter.option}`"
    return option if parameter.required else f"[{option}]"


def _sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, without its full stop."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


if __name__ == "__main__":
    click.echo(table())
