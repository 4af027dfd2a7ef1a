"""The API's own description (OpenAPI 3.1), made from the table of endpoints and the types that they take and give."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from review.console.api import BASE, Endpoint
from review.console.api_types import Problem
from review.console.exporting import File

REF = "#/components/schemas/{name}"
PATH_VALUE = re.compile(r"{(\w+)}")


def document(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    types = [
        each
        for endpoint in endpoints
        for each in (endpoint.answer, endpoint.body, endpoint.query)
        if each and each is not File
    ]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=REF)
    made = dict(zip((repr(each) for each in [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(BASE + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, made, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Amana: the analysts' console", "version": "1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint, made: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "description": f"Needs the permission `{endpoint.needs}`.",
        "parameters": [*_path_values(endpoint), *_query_values(endpoint, components)],
        "responses": {
            "200": {"description": "Done.", "content": _answer(endpoint, made)},
            "4XX": {
                "description": "Refused.",
                "content": {"application/problem+json": {"schema": made[repr(Problem)]}},
            },
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(made[repr(endpoint.body)])}
    return operation


def _answer(endpoint: Endpoint, made: dict[str, Any]) -> dict[str, Any]:
    """A file is told by the type that its content has, not by what it is here."""
    if endpoint.answer is File:
        return {"text/csv": {"schema": {"type": "string"}}}
    return _json(made[repr(endpoint.answer)])


def _path_values(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in PATH_VALUE.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_values(endpoint: Endpoint, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if endpoint.query is not None:
        for name, schema in components[endpoint.query.__name__]["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """In an address a value is left out, never null."""
    given = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if "enum" in schema:
        return {"enum": [each for each in schema["enum"] if each is not None]}
    return given[0] if len(given) == 1 else {key: value for key, value in schema.items() if key != "default"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
