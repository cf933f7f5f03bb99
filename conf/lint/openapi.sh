#!/bin/sh
# docs/openapi.yaml is OpenAPI 3.1, and docs/openapi.json was made from it. Where the tests' Python environment is.
set -u
python=build/venv/bin/python
if ! $python -c 'import yaml, openapi_spec_validator' 2>/dev/null; then
    echo "the tests' Python environment is not here: docs/openapi.yaml not looked at"
    exit 0
fi
exec $python conf/build/openapi.py --check
