"""The two commands as an operator meets them: conf/stack/up.sh, run.sh and down.sh with a data directory of their own.

What is looked at is what the operator was promised: credentials nobody else can read, no second start on the same data,
data that is still there after a restart, a PostgreSQL that comes back, and nothing left running.
"""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STACK = ROOT / "conf" / "stack"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


class Stack:
    """One data directory and port, and the scripts run on them."""

    def __init__(self, var):
        self.var = var
        self.settings = {**os.environ, "DLO_VAR": str(var), "DLO_PORT": str(free_port())}

    def script(self, name, **settings):
        return subprocess.run(
            [STACK / name],
            env={**self.settings, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    def up(self):
        done = self.script("up.sh")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def down(self):
        return self.script("down.sh")

    def pid(self, name):
        return int((self.var / "run" / f"{name}.pid").read_text())

    def env(self):
        lines = (self.var / "dlo.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def sql(self, statement):
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.env()["DLO_DSN"], "-c", statement],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def ready(self):
        try:
            with urllib.request.urlopen(self.env()["DLO_URL"] + "/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def processes(self):
        """Every process that has this data directory, or what stands in for it, on its command line."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if any(f"{home}/" in words for home in self.homes()):
                found.append(words)
        return found

    def homes(self):
        """Where its data lies: the directory itself, or the one that the link to the configuration leads to."""
        return {(self.var / "dlo.conf").resolve().parent}


@contextlib.contextmanager
def data_directory(mode=0o755):
    """pytest's own temporary directories let nobody else in; as root the stack's users have to get there."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="dlo-test-"))
    base.chmod(mode)
    one = Stack(base / "var")
    try:
        yield one
    finally:
        one.down()
        for home in one.homes() | {base}:
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def stack():
    with data_directory() as one:
        yield one


@pytest.fixture(scope="module")
def running():
    with data_directory() as one:
        one.banner = one.up()
        yield one


def test_banner_has_dashboard_login_key_and_three_lines(running):
    env = running.env()
    for name in ("DLO_URL", "DLO_LOGIN", "DLO_PASSWORD", "DLO_API_KEY"):
        assert env[name] in running.banner
    assert "ssh -L" in running.banner
    assert len(re.findall(r"^(?:sleep 2; )?curl ", running.banner, re.M)) == 3


def test_credentials_are_for_the_owner_only(running):
    (home,) = running.homes()
    for path in (running.var / "dlo.env", home / "secrets" / "dlo_owner", home / "secrets" / "tenant.env"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_credentials_survive_being_sourced_by_a_shell(running):
    names = "DLO_URL DLO_API_KEY DLO_OPERATOR_KEY DLO_LOGIN DLO_PASSWORD DLO_DSN".split()
    show = " ".join(f'"${name}"' for name in names)
    path = shlex.quote(str(running.var / "dlo.env"))
    out = subprocess.run(
        ["sh", "-c", f". {path}; printf '%s\\n' {show}"], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == [running.env()[name] for name in names]


def test_database_is_reached_by_a_private_socket_only(running):
    assert running.sql("SHOW listen_addresses") == ""
    directory = pathlib.Path(running.sql("SHOW unix_socket_directories"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert running.sql("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'") in (None, "0")
    refused = running.env()["DLO_DSN"].replace("@", "x@", 1)
    assert subprocess.run(["psql", refused, "-c", "SELECT 1"], capture_output=True).returncode != 0


def test_second_start_on_the_same_data_is_refused_with_one_line(running):
    second = running.script("run.sh", DLO_PORT=str(free_port()))
    assert second.returncode != 0
    assert "already running" in second.stderr
    assert len((second.stdout + second.stderr).splitlines()) == 1
    assert running.ready()


def test_taken_port_is_named(running, stack):
    other = running.script("run.sh", DLO_VAR=str(stack.var))
    assert other.returncode != 0
    assert running.settings["DLO_PORT"] in other.stderr and "DLO_PORT" in other.stderr


@pytest.mark.parametrize("name", ["postgres", "fcgi", "worker", "web"])
def test_killed_service_comes_back(running, name):
    before = running.pid(name)
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: running.pid(name) != before)
    assert wait_until(running.ready)


def test_two_copies_run_side_by_side_and_keep_their_data(running, stack):
    stack.up()
    stack.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    key = stack.env()["DLO_API_KEY"]
    assert stack.down().returncode == 0
    assert running.ready()
    stack.up()
    assert stack.sql("SELECT answer FROM kept") == "42"
    assert stack.env()["DLO_API_KEY"] == key
    assert running.sql("SELECT to_regclass('kept') IS NULL") == "t"


def test_nothing_is_left_running(stack):
    stack.up()
    assert stack.processes()
    stack.down()
    assert stack.processes() == []
    assert "nothing runs" in stack.down().stdout


def test_stack_goes_down_when_its_supervisor_is_killed_and_starts_again(stack):
    stack.up()
    os.kill(int((stack.var / "run" / "stack.pid").read_text()), signal.SIGKILL)
    assert wait_until(lambda: stack.processes() == [])
    stack.up()
    assert stack.ready()


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's stack runs as that user")
def test_data_goes_where_its_users_can_enter_and_the_start_says_where():
    with data_directory(mode=0o700) as stack:
        said = stack.up()
        (home,) = stack.homes()
        assert home != stack.var
        assert f"data and sockets are in '{home}'" in said
        assert (home / "pg" / "PG_VERSION").exists()
        assert stack.ready() and stack.sql("SELECT 1") == "1"


@pytest.mark.parametrize("name, value", [("DLO_PORT", "0"), ("DLO_SENDERS", "x"), ("DLO_BIND", "a b")])
def test_wrong_setting_is_named(stack, name, value):
    done = stack.script("run.sh", **{name: value})
    assert done.returncode != 0
    assert name in done.stderr and repr(value) in done.stderr
