"""Child processes that end with the test run, whatever becomes of it.

Started through setpriv, which sets the user (PostgreSQL refuses to be root) and the signal that the kernel sends when
the thread that started them ends: start processes from the main thread only. Ended by pid, never by name.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("DLO_BUILD", "build")
SERVICE_USER = "postgres" if os.getuid() == 0 else None


def own(path):
    """Gives a file or directory to the user the services run as."""
    if SERVICE_USER:
        entry = pwd.getpwnam(SERVICE_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def identity(death_signal):
    words = ["setpriv", "--pdeathsig", death_signal]
    if SERVICE_USER:
        words += ["--reuid", SERVICE_USER, "--regid", SERVICE_USER, "--init-groups"]
    return [*words, "--"]


def environment(extra=None):
    """Ours without settings of the caller's that programs would obey."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "DLO_"))}
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


class Process:
    """One long-running program with its output in a file."""

    def __init__(self, name, command, log, env=None, death_signal="TERM"):
        self.name = name
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [*identity(death_signal), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment(env),
                cwd=self.log.parent,
                start_new_session=True,
            )
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def send(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.child.wait()

    def stop(self, number=signal.SIGTERM, timeout=20):
        """Asks, waits, and only then kills. The exit status."""
        self.send(number)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.returncode

    def tail(self, lines=60):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def children(pid):
    """The processes that `pid` has forked and that still run."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            pass
    return found


def run(command, env=None, check=True, **kw):
    """Runs a program to its end as the service user; its standard output."""
    done = subprocess.run(
        [*identity("KILL"), *map(str, command)],
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/tmp",
        **kw,
    )
    if check:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout
    return done


def programs(directory):
    """Where the service user can run our programs: the build directory, or copies when it cannot get there."""
    if not SERVICE_USER:
        return BUILD
    directory.mkdir(mode=0o755)
    for name in ("dlo", "dlo.fcgi", "dlo-worker"):
        shutil.copy2(BUILD / name, directory / name)
        os.chmod(directory / name, 0o755)
    own(directory)
    return directory


def find(name, *more):
    """A program of the system, also where root's PATH would have it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", *more])
    return shutil.which(name, path=path)
