"""The dashboard in headless Chromium: each file of tests/web/*.test.mjs against a project of its own."""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
STACK = {"senders": 1, "intake": 1, "desk": 2}
TIMEOUT_S = 420


@pytest.fixture
def environment(stack, project, request):
    login = f"{request.node.callspec.id}@localhost"
    made = stack.cli_env("user", "create", "--login", login, "--project", project.id)
    return {
        **os.environ,
        "DLO_WEB_URL": f"http://127.0.0.1:{stack.port}",
        "DLO_WEB_LOGIN": login,
        "DLO_WEB_PASSWORD": made["DLO_PASSWORD"],
        "DLO_WEB_API_KEY": project.key,
    }


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in HERE.glob("*.test.mjs")))
def test_dashboard(name, environment):
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", f"{name}.test.mjs"],
        cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
