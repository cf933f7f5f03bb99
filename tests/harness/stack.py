"""A stack of its own: database, configuration, responders, lighttpd and worker on ephemeral ports, and projects in it."""

import itertools
import pathlib
import signal
import socket
import shutil
import time

import psycopg

from harness.client import Client
from harness.process import ROOT, Process, children, find, own, run
from harness.wait import PATIENCE_S, eventually

CONFIG = """
dsn_owner = "{owner}"
dsn_api = "{api}"
dsn_worker = "{worker}"
public_url = "http://dlo.test"
intake_socket = "{base}/fcgi/intake.sock"
desk_socket = "{base}/fcgi/desk.sock"
socket_group = ""
web_server_user = ""
worker_user = ""
intake = {intake}
desk = {desk}
senders = {senders}
allow_nets = "{allow_nets}"
dns_servers = "{dns_servers}"
key_file = "{base}/dlo.keys"
ca_file = "{ca_file}"
log_format = "text"
log_level = "info"
{more}
"""


def is_nursery(pid):
    """Nurseries of sandboxes are the worker's children too; they come and go with their senders."""
    try:
        return b"--nursery" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


kinds = itertools.count(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Stack:
    def __init__(self, cluster, *, senders=1, intake=2, desk=2, allow_nets="127.0.0.0/8", dns_servers="", worker=True,
                 env=None, ca_file="/etc/ssl/certs/ca-certificates.crt", more=""):
        self.cluster = cluster
        self.options = {"senders": senders, "intake": intake, "desk": desk, "allow_nets": allow_nets,
                        "dns_servers": dns_servers, "ca_file": ca_file, "more": more}
        self.env = env
        self.database = cluster.new_database()
        self.base = cluster.base / self.database
        self.processes = {}
        self.conn = None
        for directory in (self.base, self.base / "fcgi", self.base / "upload"):
            directory.mkdir(mode=0o750)
            own(directory)
        try:
            self.start(worker)
        except BaseException:
            self.stop()
            raise

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self, worker):
        self.configure()
        self.cli("migrate")
        assert self.start_fcgi().alive(), self.processes["fcgi"].tail()
        self.start_web()
        if worker:
            self.start_worker()
        self.operator_key = self.cli_env("key", "create", "--operator")["DLO_OPERATOR_KEY"]
        self.operator = Client(self.port, self.operator_key)
        self.anybody = Client(self.port)
        eventually(self.serves, 30)

    def configure(self):
        self.config = self.base / "dlo.conf"
        roles = {role: self.cluster.dsn(f"dlo_{role}", self.database) for role in ("owner", "api", "worker")}
        self.config.write_text(CONFIG.format(base=self.base, **roles, **self.options))
        own(self.config)

    def start_process(self, name, command, env=None):
        self.processes[name] = Process(name, command, self.base / f"{name}.log", env)
        return self.processes[name]

    def start_fcgi(self):
        """Returns when it listens, or has ended."""
        log = self.base / "fcgi.log"
        before = log.stat().st_size if log.exists() else 0
        process = self.start_process("fcgi", [self.cluster.programs / "dlo.fcgi", "--config", self.config])
        eventually(lambda: b"serving" in log.read_bytes()[before:] or not process.alive())
        return process

    def start_worker(self, name="worker", env=None):
        return self.start_process(name, [self.cluster.programs / "dlo-worker", "--config", self.config],
                                  env or self.env)

    def start_web(self):
        """lighttpd as conf/stack/web.sh starts it; another port when somebody took ours first."""
        for _ in range(5):
            self.port = free_port()
            self.write_web_config()
            web = self.start_process("web", [find("lighttpd"), "-D", "-f", self.base / "lighttpd.conf"])
            eventually(lambda: self.listens() or not web.alive())
            if web.alive():
                return
        raise AssertionError(web.tail())

    def write_web_config(self):
        text = (ROOT / "conf" / "lighttpd.conf.in").read_text()
        values = {"PORT": self.port, "BIND": "127.0.0.1", "WEB": ROOT / "web", "UPLOAD": self.base / "upload",
                  "INTAKE": self.base / "fcgi/intake.sock", "DESK": self.base / "fcgi/desk.sock"}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (self.base / "lighttpd.conf").write_text(text)
        own(self.base / "lighttpd.conf")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def serves(self):
        return self.anybody.get("/healthz").status == 200

    def stop_process(self, name, number=signal.SIGTERM):
        return self.processes.pop(name).stop(number)

    def stop(self):
        """In a hurry: what is under way with receivers that hang is nobody's business any more."""
        for number in (signal.SIGTERM, signal.SIGTERM):  # a worker does not drain after the second
            for process in self.processes.values():
                process.send(number)
            time.sleep(0.05)
        for name in list(self.processes):
            self.stop_process(name)
        if self.conn:
            self.conn.close()
        if self.cluster.server.alive():
            self.cluster.drop_database(self.database)

    def forget_files(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def logs(self, lines=60):
        """What each process said last, for a failure's report."""
        shown = [(p.name, p.tail(lines)) for p in self.processes.values()]
        return [(name, text) for name, text in shown if text] + [("postgres", self.cluster.server.tail(15))]

    def worker_children(self):
        """The worker's processes by role: {"dlo-sender…": pid}. Children start in the order senders, maintainer."""
        return [pid for pid in sorted(children(self.processes["worker"].pid)) if not is_nursery(pid)]

    # --- use ----------------------------------------------------------------------------------------------------------

    def cli(self, *words, check=True):
        return run([self.cluster.programs / "dlo", *words, "--config", self.config], check=check)

    def cli_env(self, *words):
        lines = self.cli(*words, "--format", "env").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def connect(self, role="dlo_owner"):
        return self.cluster.connect(role, self.database)

    def sql(self, text, params=None):
        """Rows of a statement run as the owner; [] for one that gives none. The kept connection may have been killed."""
        if self.conn is None or self.conn.closed:
            self.conn = self.connect()
        try:
            done = self.conn.execute(text, params)
        except psycopg.OperationalError:
            self.conn = self.connect()
            done = self.conn.execute(text, params)
        return done.fetchall() if done.description else []

    def value(self, text, params=None):
        return self.sql(text, params)[0][0]

    def project(self, plan="enterprise", days=30, scopes="admin"):
        words = ["project", "create", "--name", "test", "--plan", plan]
        if plan == "enterprise":
            words += ["--retention-days", str(days)]
        public = self.cli_env(*words)["DLO_PROJECT"]
        return Project(self, public, self.key(public, scopes))

    def key(self, project, scopes="admin"):
        return self.cli_env("key", "create", "--project", project, "--scopes", scopes)["DLO_API_KEY"]

    def move_clock(self, offset):
        """Moves dlo_now(); drawers are made at once, as the maintainer would within ten seconds."""
        self.cluster.move_clock(offset)
        self.sql("SELECT dlo_make_drawers()")


class Project(Client):
    """One tenant, and a client that speaks with its key."""

    def __init__(self, stack, public_id, key):
        super().__init__(stack.port, key)
        self.stack = stack
        self.id = public_id

    @property
    def number(self):
        """Its narrow id inside the database."""
        return self.stack.value("SELECT project_id FROM api_keys WHERE hash = sha256(%s)", [self.key.encode()])

    def rows(self, table):
        """How many rows of a table are its own."""
        return self.stack.value(f"SELECT count(*) FROM {table} WHERE project_id = %s", [self.number])

    def limited(self, scopes):
        """The same tenant through a key with fewer scopes."""
        return Client(self.port, self.stack.key(self.id, scopes))

    def webhook(self, url, **fields):
        made = self.post("/v1/webhooks", {"url": url, **fields})
        assert made.status == 201, made
        return made.json()

    def event(self, type="order.paid", payload=None, **fields):
        """Sends one that must be taken; the answer."""
        sent = self.post("/v1/events", {"eventType": type, "payload": {} if payload is None else payload, **fields})
        assert sent.status == 202, sent
        return sent.json()

    def entries(self, **filters):
        got = self.get("/v1/dlq", query=filters)
        assert got.status == 200, got
        return got.json()["data"]

    def entry(self, entry_id):
        got = self.get(f"/v1/dlq/{entry_id}")
        assert got.status == 200, got
        return got.json()

    def wait_entry(self, timeout=PATIENCE_S, n=1, **filters):
        """The newest of at least n entries that fit, whole."""
        rows = eventually(lambda: len(rows := self.entries(**filters)) >= n and rows, timeout)
        return self.entry(rows[0]["id"])

    def deliveries(self, **filters):
        got = self.get("/v1/deliveries", query=filters)
        assert got.status == 200, got
        return got.json()["data"]

    def delivery(self, delivery_id):
        got = self.get(f"/v1/deliveries/{delivery_id}")
        assert got.status == 200, got
        return got.json()

    def wait_delivery(self, timeout=PATIENCE_S, **filters):
        """The newest delivery that fits, whole."""
        rows = eventually(lambda: self.deliveries(**filters), timeout)
        return self.delivery(rows[0]["id"])

    def dead_letter(self, peer, mode="/status/400", hook=None, **event):
        """A webhook to a receiver that refuses, one event for it alone, its entry."""
        kind = f"only.{next(kinds)}"
        made = self.webhook(peer.url(peer.path(mode)), eventTypes=[kind], **(hook or {}))
        self.event(type=kind, **event)
        return self.wait_entry(webhookId=made["id"])
