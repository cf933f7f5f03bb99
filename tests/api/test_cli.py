"""dlo, the command line: what it prints, what it refuses, its exit codes."""

import json
import subprocess

import pytest

from harness.process import environment, identity, own
from harness.wait import eventually

DONE, FAILED, USAGE, NO_DATABASE = 0, 1, 2, 3


@pytest.fixture(scope="module")
def dlo(stack):
    def run(*words):
        return stack.cli(*words, check=False)
    return run


def test_migrate_twice_changes_nothing(dlo):
    done = dlo("migrate")
    assert done.returncode == DONE and "applied" not in done.stdout and "made" not in done.stdout


def test_two_migrations_at_once_do_not_hurt_each_other(stack):
    command = [*identity("KILL"), stack.cluster.programs / "dlo", "migrate", "--config", stack.config]
    running = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/tmp")
               for _ in range(4)]
    assert [p.wait(60) for p in running] == [DONE] * 4


def test_altered_migration_is_refused(make_stack):
    stack = make_stack(worker=False)
    stack.sql("UPDATE schema_migrations SET sha256 = 'x' WHERE version = 1")
    done = stack.cli("migrate", check=False)
    assert done.returncode == FAILED and "migration 1" in done.stderr


def other_config(stack, name, change):
    """The stack's configuration, changed, where the service user can read it."""
    config = stack.base / name
    config.write_text(change(stack.config.read_text()))
    own(config)
    return config


def run_with(stack, config, program, *words):
    return subprocess.run([*identity("KILL"), stack.cluster.programs / program, *words, "--config", config], text=True,
                          env=environment(), capture_output=True, cwd="/tmp", timeout=60, stdin=subprocess.DEVNULL)


def test_doctor_finds_all_well(stack, project):
    eventually(lambda: stack.anybody.get("/readyz").status == 200, 30)
    url = f"http://127.0.0.1:{stack.port}"
    config = other_config(stack, "well.conf", lambda text: text.replace("http://dlo.test", url))
    done = run_with(stack, config, "dlo", "doctor")
    assert done.returncode == DONE, done.stdout + done.stderr


def test_doctor_says_what_is_wrong_and_what_to_do(stack, project):
    done = stack.cli("doctor", check=False)
    assert done.returncode == FAILED
    assert "FAIL web server" in done.stdout and "->" in done.stdout


def test_doctor_finds_a_missing_worker(make_stack):
    done = make_stack(worker=False).cli("doctor", check=False)
    assert done.returncode == FAILED and "worker" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [
    (), ("nope",), ("project",), ("project", "nope"), ("project", "create"), ("key", "create"), ("migrate", "--name", "x"),
    ("project", "create", "--name", "x", "--plan", "gold"), ("key", "create", "--project", "nope"), ("project", "show"),
    ("project", "create", "--name", "x", "--retention-days", "0"), ("project", "list", "--format", "xml"),
    ("key", "create", "--project", "prj_01kb0000000000000000000000", "--operator"), ("user", "create"),
    ("project", "create", "--name", "x", "--evil"),
])
def test_wrong_usage_is_said_on_stderr(dlo, words):
    done = dlo(*words)
    assert done.returncode in (USAGE, FAILED) and done.stderr and "DLO_" not in done.stdout


def test_unknown_project_fails(dlo):
    assert dlo("key", "create", "--project", "prj_01kb0000000000000000000000").returncode == FAILED
    assert dlo("project", "show", "prj_01kb0000000000000000000000").returncode == FAILED


def test_unreachable_database_has_its_own_code(stack):
    away = f"host={stack.cluster.base}"
    config = other_config(stack, "away.conf", lambda text: text.replace(away, "host=/nonexistent"))
    done = run_with(stack, config, "dlo", "project", "list")
    assert done.returncode == NO_DATABASE and done.stderr


@pytest.mark.parametrize("line", ['unknown_option = "x"', "intake = 0", "senders = 65", 'dsn_owner = "x', "intake = many"])
def test_wrong_configuration_is_one_clear_line(stack, line):
    config = other_config(stack, "wrong.conf", lambda text: text + line + "\n")
    for program in ("dlo", "dlo.fcgi", "dlo-worker"):
        words = ["project", "list"] if program == "dlo" else []
        done = run_with(stack, config, program, *words)
        assert done.returncode == USAGE, (program, done)
        assert len(done.stderr.splitlines()) == 1 and "wrong.conf" in done.stderr, done.stderr


def test_project_can_be_listed_shown_and_moved_to_a_plan(dlo, stack):
    name = stack.cli_env("project", "create", "--name", "cli", "--plan", "base")["DLO_PROJECT"]
    shown = json.loads(dlo("project", "show", name, "--format", "json").stdout)
    assert shown["name"] == "cli" and shown["plan"] == "base"
    assert name in dlo("project", "list").stdout
    assert dlo("project", "plan", name, "--plan", "scale").returncode == DONE
    assert json.loads(dlo("project", "show", name, "--format", "json").stdout)["plan"] == "scale"


def test_revoked_key_stops(dlo, project):
    made = json.loads(dlo("key", "create", "--project", project.id, "--scopes", "dlq:read", "--format", "json").stdout)
    assert project.get("/v1/dlq", key=made["key"]).status == 200
    assert dlo("key", "revoke", made["id"]).returncode == DONE
    eventually(lambda: project.get("/v1/dlq", key=made["key"]).status == 401)
    assert dlo("key", "revoke", made["id"]).returncode == FAILED


def test_list_of_keys_shows_no_key(dlo, project):
    listed = dlo("key", "list", "--project", project.id).stdout
    assert "key_" in listed and project.key not in listed


@pytest.mark.parametrize("program", ["dlo", "dlo.fcgi", "dlo-worker"])
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help(stack, program, option):
    done = subprocess.run([stack.cluster.programs / program, option], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and program.split(".")[0] in done.stdout and not done.stderr


def test_key_file_is_for_its_owner_only(stack):
    assert (stack.base / "dlo.keys").stat().st_mode & 0o777 == 0o600
