"""What the parts of chaosctl.yaml are made of."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from runner.errors import UsageError
from runner.model import parse_duration

__all__ = ["Duration", "Part"]


def _seconds(written: object) -> float:
    try:
        return parse_duration(written)
    except UsageError as error:
        raise ValueError(str(error)) from error


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(json_schema_extra={"type": "string", "examples": ["90s", "2500ms", "1m30s"]}),
]


class Part(BaseModel):
    """One part of the file: it takes no key that it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
