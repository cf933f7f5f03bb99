"""One private PostgreSQL for a test run: unix socket in a 0700 directory, no TCP, a migrated template database.

`trust` is for this directory only; the product never uses it. fsync is off: processes are killed here, machines are
not. Killing the postmaster with -9 loses nothing that was written, and that is what the torture test looks at.
"""

import glob
import itertools
import os
import pathlib
import re
import shutil
import signal
import tempfile

import psycopg

from harness.process import Process, own, programs, run
from harness.wait import eventually

SUPERUSER = "cluster"
ROLES = ("dlo_owner", "dlo_api", "dlo_worker")
TEMPLATE = "dlo_template"

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 120
max_locks_per_transaction = 256
shared_buffers = 128MB
max_wal_size = 2GB
checkpoint_timeout = 30min
fsync = off
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
include = 'clock.conf'
"""


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    assert found, "PostgreSQL is not installed below /usr/lib/postgresql"
    return pathlib.Path(found[-1])


def memory_free():
    """Bytes that this machine can spare, or this container, where one is limited."""
    available = re.search(r"^MemAvailable: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.M)
    free = [int(available[1]) << 10]
    for group, limit, used in (("", "memory.max", "memory.current"),
                               ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")):
        here = pathlib.Path("/sys/fs/cgroup", group)
        if (here / limit).exists() and (most := (here / limit).read_text().strip()) != "max":
            free.append(int(most) - int((here / used).read_text()))
    return min(free)


def directory(room=4 << 30):
    """Memory, where there is plenty of it: a database is 3,300 files, which take 3 s on a disk that is busy and 0.3 s there,
    and each of a hundred stacks has one. Else, and where programs may not be run from there, the disk."""
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return "/tmp"
    free = min(shutil.disk_usage(memory).free, memory_free())
    return memory if free >= room * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)) else "/tmp"


class Cluster:
    def __init__(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="dlo-t-", dir=directory()))
        self.base.chmod(0o700)
        own(self.base)
        self.data = self.base / "pg"
        self.bin = binaries()
        self.programs = programs(self.base / "bin")
        self.numbers = itertools.count(1)
        self.server = None

    # --- life ---------------------------------------------------------------------------------------------------------

    def make(self):
        run([self.bin / "initdb", "-D", self.data, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--lc-collate=C",
             "--lc-ctype=C.UTF-8", "--no-instructions", "--no-sync"])
        with open(self.data / "postgresql.conf", "a") as out:
            out.write(SETTINGS.format(socket=self.base))
        self.write_clock("")
        self.start()
        for role in ROLES:
            self.sql(f"CREATE ROLE {role} LOGIN")
        self.sql("ALTER ROLE dlo_owner CREATEDB; GRANT pg_monitor, pg_signal_backend TO dlo_owner")
        self.sql(f"CREATE DATABASE {TEMPLATE} OWNER dlo_owner")
        config = self.base / "template.conf"
        config.write_text("".join(f'dsn_{role} = "{self.dsn("dlo_" + role, TEMPLATE)}"\n'
                                  for role in ("owner", "api", "worker")) + f'key_file = "{self.base}/template.keys"\n')
        own(config)
        run([self.programs / "dlo", "migrate", "--config", config])

    def start(self):
        self.server = Process("postgres", [self.bin / "postgres", "-D", self.data], self.base / "postgres.log",
                              death_signal="INT")
        eventually(self.answers, 60)

    def answers(self):
        try:
            with psycopg.connect(self.dsn(SUPERUSER, "postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            assert self.server.alive(), self.server.tail()
            return False

    def stop(self):
        if self.server:
            self.server.stop(signal.SIGINT)

    def kill_and_restart(self):
        """The postmaster dies with -9; its backends are cleared away as conf/stack does, and it is started again."""
        self.server.kill()
        eventually(lambda: not self.clear_strays(), 30)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def clear_strays(self):
        """Backends outlive a killed postmaster until they next wait. How many were still there."""
        found = 0
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(proc / "cwd") == str(self.data):
                    found += 1
                    os.kill(int(proc.name), signal.SIGQUIT)
            except OSError:
                pass
        return found

    # --- use ----------------------------------------------------------------------------------------------------------

    def dsn(self, role, database):
        return f"postgresql://{role}@/{database}?host={self.base}"

    def connect(self, role, database, autocommit=True):
        """Without statements prepared by the driver's own will: they would be among those under test."""
        return psycopg.connect(self.dsn(role, database), autocommit=autocommit, prepare_threshold=None)

    def sql(self, text, database="postgres"):
        with self.connect(SUPERUSER, database) as conn:
            conn.execute(text)

    def new_database(self):
        name = f"t{next(self.numbers)}"
        # nobody may be connected to a template: the backend of `dlo migrate` may take a moment to leave
        eventually(lambda: self.try_copy(name))
        return name

    def try_copy(self, name):
        try:
            self.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER dlo_owner")
            return True
        except psycopg.errors.ObjectInUse:
            return False

    def drop_database(self, name):
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    # --- time ---------------------------------------------------------------------------------------------------------

    def write_clock(self, offset):
        path = self.data / "clock.conf"
        path.write_text(f"dlo.clock_offset = '{offset}'\n")
        own(path)

    def move_clock(self, offset):
        """Sets dlo_now() to now() plus an interval, in running sessions too (a placeholder from the configuration file
        reaches them before their next statement). '' puts the clock right."""
        self.write_clock(offset)
        self.server.send(signal.SIGHUP)
        eventually(lambda: self.clock() == offset)

    def clock(self):
        with psycopg.connect(self.dsn(SUPERUSER, "postgres")) as conn:
            return conn.execute("SELECT current_setting('dlo.clock_offset', true)").fetchone()[0] or ""

