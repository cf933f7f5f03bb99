"""docs/openapi.json as the tests read it: its operations, its references, and what does not fit its schemas."""

import json

import jsonschema

from harness.process import ROOT

METHODS = ("get", "put", "post", "delete", "patch")


class Operation:
    def __init__(self, document, path, method, told):
        self.document = document
        self.path = path
        self.method = method
        self.told = told
        self.id = told["operationId"]
        self.parameters = [document.resolve(p) for p in document.data["paths"][path].get("parameters", [])
                           + told.get("parameters", [])]

    def parameter_names(self, where):
        return {p["name"] for p in self.parameters if p["in"] == where}

    def wants(self, header):
        return any(p["name"] == header and p.get("required") for p in self.parameters)

    @property
    def has_body(self):
        return "requestBody" in self.told

    @property
    def scope(self):
        return self.told["x-required-scope"]

    @property
    def main_status(self):
        """The one to expect: the last of the good ones, because 202 and 201 say more than the 200 of a repetition."""
        return max(status for status in self.told["responses"] if status < "300")

    def body_schema(self):
        """Of a JSON body, or an empty one."""
        content = self.told.get("requestBody", {}).get("content", {})
        return self.document.resolve(content["application/json"]["schema"]) if content else {}

    def example(self):
        """The request's body as the document shows it, or None."""
        content = self.told.get("requestBody", {}).get("content", {})
        return content["application/json"]["example"] if content else None


class Document:
    def __init__(self, data=None):
        self.data = data or json.loads((ROOT / "docs/openapi.json").read_text())
        self.operations = [Operation(self, path, method, told) for path, block in self.data["paths"].items()
                           for method, told in block.items() if method in METHODS]

    def resolve(self, node):
        """What a bare reference stands for; one with members beside it is left as it is."""
        while set(node) == {"$ref"}:
            target = self.data
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def errors(self, schema, value):
        """Why a value does not fit a schema, one text each."""
        whole = {"components": self.data["components"], "allOf": [schema]}
        return [f"{e.json_path}: {e.message[:200]}" for e in jsonschema.Draft202012Validator(whole).iter_errors(value)]

    def undocumented(self, schema, value, place="$"):
        """Members of a value that the schema does not name. Answers may grow; the document must grow with them."""
        named, items, free = self.members(schema)
        if isinstance(value, list):
            for i, one in enumerate(value):
                yield from self.undocumented(items, one, f"{place}[{i}]")
        elif isinstance(value, dict) and not free:
            for name, one in value.items():
                if name not in named:
                    yield f"{place}.{name}"
                else:
                    yield from self.undocumented(named[name], one, f"{place}.{name}")

    def members(self, schema):
        """The members, the schema of items, and whether any other member is fine, over all that a schema refers to."""
        named, items, free = dict(schema.get("properties", {})), schema.get("items", {}), False
        free = "additionalProperties" in schema and schema["additionalProperties"] is not False
        parts = [self.resolve({"$ref": schema["$ref"]})] if "$ref" in schema else []
        for part in parts + schema.get("anyOf", []) + schema.get("allOf", []):
            more, inner, any_other = self.members(part)
            named, items, free = {**more, **named}, items or inner, free or any_other
        if not named and not items and "type" not in schema and not parts and "anyOf" not in schema:
            free = True  # any JSON
        return named, items, free

    def examples(self):
        """(place, schema, example) wherever both stand together."""
        yield from self.examples_below(self.data["paths"], "paths")
        yield from self.examples_below(self.data["components"], "components")

    def examples_below(self, node, place):
        if isinstance(node, list):
            for i, one in enumerate(node):
                yield from self.examples_below(one, f"{place}/{i}")
        if not isinstance(node, dict):
            return
        if "schema" in node and isinstance(node["schema"], dict):
            if "example" in node:
                yield place, node["schema"], node["example"]
            for name, one in node.get("examples", {}).items():
                yield f"{place}/{name}", node["schema"], self.resolve(one)["value"]
        for name, one in node.items():
            if name not in ("example", "examples"):
                yield from self.examples_below(one, f"{place}/{name}")
