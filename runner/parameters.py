"""Parameters declared once, as the annotated fields of a frozen dataclass.

    target: Annotated[str, "the name that must no longer resolve"]
    latency: Annotated[Duration, "how long requests are held back"]

The same declaration is the option on the command line, the argument in an experiment, the row in the docs and the
entry in the record. A parser in the annotation turns what was written into the value.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from runner.errors import UsageError
from runner.model import parse_duration, parse_percent, parse_rate, parse_size

__all__ = ["REQUIRED", "Duration", "Parameter", "Percent", "Rate", "Size", "build", "parameters"]

Duration = Annotated[float, parse_duration]
Percent = Annotated[float, parse_percent]
Rate = Annotated[float, parse_rate]
Size = Annotated[int, parse_size]
REQUIRED: Any = MISSING

_T = TypeVar("_T")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name as in a file, its help, its default as written, and how it is read."""

    name: str
    help: str
    kind: type
    default: Any
    choices: tuple[str, ...]
    parse: Callable[[Any], Any]

    @property
    def option(self) -> str:
        """The name on the command line; `where` is --on there, which YAML would read as true."""
        return "--on" if self.name == "where" else "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is REQUIRED


def parameters(declared: type[Any]) -> tuple[Parameter, ...]:
    """Return the parameters that a dataclass declares, in their order."""
    hints = get_type_hints(declared, include_extras=True)
    return tuple(_parameter(field, hints[field.name]) for field in fields(declared))


def build(declared: type[_T], arguments: Mapping[str, Any]) -> _T:
    """Return the dataclass made from arguments as written; raises UsageError that names the parameter."""
    known = {parameter.name: parameter for parameter in parameters(declared)}
    for name in arguments:
        if name not in known:
            raise UsageError(f"There is no parameter {name!r} here.", f"Known: {', '.join(known)}.")
    values = {}
    for name, parameter in known.items():
        if name in arguments:
            values[name] = _read(parameter, arguments[name])
        elif parameter.required:
            raise UsageError(f"{parameter.option} is missing: {parameter.help}.", f"Add {parameter.option}=...")
    return declared(**values)


def _read(parameter: Parameter, written: object) -> object:
    try:
        value = parameter.parse(written)
    except UsageError as error:
        raise UsageError(f"{parameter.option}: {error.message}", error.fix) from error
    if parameter.choices and value not in parameter.choices:
        raise UsageError(f"{parameter.option}: {value!r} is none of {', '.join(parameter.choices)}.")
    return value


def _parameter(field: Field[Any], hint: object) -> Parameter:
    base, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    choices = tuple(str(choice) for choice in get_args(base)) if get_origin(base) is Literal else ()
    kind = str if choices or not isinstance(base, type) else base
    parse = next((extra for extra in extras if callable(extra)), None)
    return Parameter(
        name=field.name,
        help=next(extra for extra in extras if isinstance(extra, str)),
        kind=str if parse else kind,
        default=field.default,
        choices=choices,
        parse=parse or _exactly(kind),
    )


def _exactly(kind: type) -> Callable[[Any], Any]:
    def parse(written: object) -> object:
        if kind is float and isinstance(written, int) and not isinstance(written, bool):
            return float(written)
        if isinstance(written, kind) and not (kind is int and isinstance(written, bool)):
            return written
        raise UsageError(f"{written!r} is not {_KINDS.get(kind, kind.__name__)}.")

    return parse


_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
