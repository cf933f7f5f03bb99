"""Turns docs/openapi.yaml, which people write, into docs/openapi.json, which the build embeds.

    python conf/build/openapi.py            writes the JSON (make openapi)
    python conf/build/openapi.py --check    writes nothing; fails unless both agree and are OpenAPI 3.1 (make lint)

Needs PyYAML, and for --check openapi-spec-validator: both are in the tests' environment, build/venv. A plain build needs
neither.
"""

import json
import pathlib
import sys

import yaml

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
SOURCE, MADE = DOCS / "openapi.yaml", DOCS / "openapi.json"


def convert(text):
    """YAML's aliases are written out."""
    return json.dumps(yaml.safe_load(text), indent=1, ensure_ascii=False) + "\n"


def empty(value, place="#"):
    """Members without a value: in YAML most often a text with a comma that wants quotes."""
    if isinstance(value, dict):
        for name, member in value.items():
            if member is None and "example" not in place:
                yield f"{place}/{name}"
            yield from empty(member, f"{place}/{name}")
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from empty(member, f"{place}/{i}")


def unsorted(names):
    return [b for a, b in zip(names, names[1:]) if a > b]


def problems():
    from openapi_spec_validator import OpenAPIV31SpecValidator

    made = convert(SOURCE.read_text())
    document = json.loads(made)
    if MADE.read_text() != made:
        yield f"{MADE.name} is not what {SOURCE.name} says: run make openapi"
    for place in empty(document):
        yield f"{place} has no value"
    for name in unsorted(list(document["paths"])):
        yield f"path {name} is not in its place"
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        yield f"#/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def main(words):
    if words != ["--check"]:
        MADE.write_text(convert(SOURCE.read_text()))
        return 0
    found = list(problems())
    for one in found:
        print(f"{SOURCE.name}: {one}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
