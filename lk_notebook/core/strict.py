"""JSON schemas in the strict dialect of OpenAI's API, word for word as LiveKit's SDK writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NULL = {"type": "null"}


def strict(schema: Mapping[str, Any], *, nullable_defaults: bool = False) -> dict[str, Any]:
    """The schema with every object closed, every property required, and no title or default.

    Example:
        >>> strict({"type": "object", "title": "P", "properties": {"age": {"title": "Age", "type": "integer"}}})
        {'type': 'object', 'properties': {'age': {'type': 'integer'}}, 'additionalProperties': False, 'required': ['age']}

    With `nullable_defaults` a property that has a default also takes null, which then stands for the default: for the
    arguments of functions, which say so themselves. The given schema is not changed.
    Source: livekit-agents, `llm/_strict.py`, and OpenAI's guide "Structured outputs", supported schemas.
    """  # noqa: E501 - one line of output
    return _Writer(schema, nullable_defaults)(schema)


def is_strict(schema: Any) -> bool:
    """Whether a JSON schema somebody wrote already keeps the rules: objects closed, properties all required.

    Example:
        >>> is_strict({"type": "object", "properties": {}}), is_strict({"type": "string"})
        (False, True)
    """
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        named = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False or set(named) != set(schema.get("required") or ()):
            return False
    return "oneOf" not in schema and "default" not in schema and all(map(is_strict, schema.values()))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes each node of one schema anew; `within` are the definitions being put in their reference's place."""

    root: Mapping[str, Any]
    nullable_defaults: bool
    within: frozenset[str] = frozenset()

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        node = {key: value for key, value in given.items() if key not in ("title", "discriminator")}
        for key in ("$defs", "definitions", "properties"):
            if isinstance(node.get(key), Mapping):
                node[key] = {name: self(inner) for name, inner in node[key].items()}
        if node.get("type") == "object":
            node.setdefault("additionalProperties", False)
        if node.get("properties"):
            node["required"] = list(node["properties"])
        if isinstance(node.get("items"), Mapping):
            node["items"] = self(node["items"])
        node = self._with_unions(node)
        if "default" in node:
            del node["default"]
            node = _nullable(node) if self.nullable_defaults else node
        if "$ref" in node and len(node) > 1:
            return self._in_place(node)
        return _folded(node)

    def _with_unions(self, node: dict[str, Any]) -> dict[str, Any]:
        """One anyOf for anyOf and oneOf; what has a single variant is that variant. {} matches all and says nothing."""
        for key in ("anyOf", "oneOf", "allOf"):
            if not isinstance(node.get(key), list):
                continue
            variants = [self(variant) for variant in node.pop(key) if variant != {} or key == "allOf"]
            if len(variants) == 1:
                node |= variants[0]
            elif variants:
                node["allOf" if key == "allOf" else "anyOf"] = variants
        return node

    def _in_place(self, node: dict[str, Any]) -> dict[str, Any]:
        """A reference has no neighbours in the strict dialect: what it refers to is put in its place."""
        ref = node.pop("$ref")
        if ref in self.within:  # a type that holds itself
            return {"$ref": ref}
        found: Any = self.root
        for key in ref.removeprefix("#/").split("/"):
            found = found[key.replace("~1", "/").replace("~0", "~")]
        return _Writer(self.root, self.nullable_defaults, self.within | {ref})({**found, **node})


def _nullable(node: dict[str, Any]) -> dict[str, Any]:
    """The node that takes null too, its own constraints kept. A const stays: it tells the types of a union apart."""
    kind = node.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "null" in kinds or "const" in node or not node:
        return node
    if "anyOf" in node:
        return node if _NULL in node["anyOf"] else {**node, "anyOf": [*node["anyOf"], _NULL]}
    if kind and "enum" not in node:
        return {**node, "type": [*kinds, "null"]}
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**rest, "anyOf": [{"$ref": node["$ref"]}, _NULL]}
    return {"anyOf": [node, _NULL]}


def _folded(node: dict[str, Any]) -> dict[str, Any]:
    """A type or null as one node with two types. Not for a const, which null would never equal."""
    variants = node.get("anyOf", [])
    if len(variants) != 2 or _NULL not in variants:
        return node
    other = next((variant for variant in variants if variant != _NULL), _NULL)
    if "type" not in other or "const" in other:
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    folded = {**rest, **other, "type": [other["type"], "null"] if isinstance(other["type"], str) else other["type"]}
    return folded | ({"enum": [*other["enum"], None]} if "enum" in other else {})
