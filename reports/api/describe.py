"""What the OpenAPI description says beyond what the routes say: bodies that are read as they come, and errors."""

from typing import Any

from pydantic import BaseModel

from reports.api.envelope import EVENT, EVENT_TYPE
from reports.api.kinds import JSON, LINES, XML
from reports.api.problems import MEDIA_TYPE, ProblemBody
from reports.api.writing import Taken, TakenMany
from reports.record import Record

__all__ = ["described"]

_REF = "#/components/schemas/{model}"
_OBJECT = {"type": "object"}
_ERRORS = {
    "/healthz": (503,),
    "/api/v1/runs post": (400, 401, 403, 409, 413, 415, 422, 429, 503),
    "/api/v1/junit post": (400, 401, 403, 409, 413, 415, 422, 429, 503),
    "/api/v1/runs/{run} get": (401, 403, 404, 410, 422, 429, 503),
    "/api/v1/runs/{run}/series get": (401, 403, 404, 410, 422, 429, 503),
}
_READ_ERRORS = (401, 403, 404, 422, 429, 503)


def described(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return the description, completed."""
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    for model, mode in ((Record, "validation"), (Taken, "serialization"), (TakenMany, "serialization")):
        schemas |= _schemas(model, mode)
    schemas |= _schemas(ProblemBody, "serialization")
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            _complete(operation, _ERRORS.get(f"{path} {method}", _ERRORS.get(path, _READ_ERRORS)))
    _complete_writing(openapi["paths"]["/api/v1/runs"]["post"], openapi["paths"]["/api/v1/junit"]["post"])
    text = {"application/openmetrics-text": {"schema": {"type": "string"}}}
    openapi["paths"]["/metrics"]["get"]["responses"]["200"] = {"description": "Metrics.", "content": text}
    openapi["components"]["schemas"] = {name: schemas[name] for name in sorted(schemas)}
    return openapi


def _schemas(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF, mode=mode)
    parts: dict[str, Any] = schema.pop("$defs", {})
    return parts | {model.__name__: schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}


def _complete(operation: dict[str, Any], errors: tuple[int, ...]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    content = {MEDIA_TYPE: {"schema": _ref("ProblemBody")}}
    responses |= {
        str(status): {"description": "What is wrong, and what to do.", "content": content} for status in errors
    }
    if any(parameter["name"] == "If-None-Match" for parameter in operation.get("parameters", ())):
        responses["304"] = {"description": "What is known still holds."}
        responses["200"] = {"description": "Found.", "content": {JSON: {"schema": _OBJECT}}}


def _complete_writing(runs: dict[str, Any], junit: dict[str, Any]) -> None:
    """Both take a token and a key; the route for runs reads them by itself, so what is said of them is the other's."""
    runs |= {"requestBody": _run_bodies(), "security": junit["security"]}
    runs["parameters"] = [each for each in junit["parameters"] if each["in"] == "header"]
    runs["responses"] |= _taken(many=True)
    junit |= {"requestBody": _junit_body()}
    junit["responses"] |= _taken(many=False)


def _run_bodies() -> dict[str, Any]:
    event = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "type": {"const": EVENT_TYPE},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "data": _ref("Record"),
        },
    }
    content = {
        JSON: {"schema": _ref("Record")},
        EVENT: {"schema": event},
        LINES: {"schema": {"type": "string", "description": "One record a line."}},
    }
    return {"required": True, "content": content}


def _junit_body() -> dict[str, Any]:
    schema = {"type": "string", "description": "A JUnit report, without document type or entities."}
    return {"required": True, "content": {XML: {"schema": schema}}}


def _taken(*, many: bool) -> dict[str, Any]:
    one, bulk = {JSON: {"schema": _ref("Taken")}}, {JSON: {"schema": _ref("TakenMany")}}
    either = {JSON: {"schema": {"anyOf": [_ref("Taken"), _ref("TakenMany")]}}}
    responses = {
        "201": {"description": "Stored.", "content": one},
        "200": {"description": "There already, or a bulk that was taken whole.", "content": either if many else one},
    }
    return responses | ({"207": {"description": "A bulk of which some was refused.", "content": bulk}} if many else {})
