"""Fixtures of the Python tests. A module gets one stack; a module-level dict STACK holds its options.

Every pytest process (also each of xdist's) has its own PostgreSQL, so that one may move the clock and kill backends
without another noticing. Each test takes a project of its own, which is what keeps tests apart within a stack.
"""

import shutil

import pytest

from harness.peer import Peer
from harness.postgres import Cluster
from harness.stack import Stack


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    # A module's stack is started once only if one process runs the whole module.
    if getattr(config.option, "numprocesses", None) and config.option.dist in ("no", "load"):
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False  # in the order of LONGEST, not of how many tests a file has


# A file is run by one process: the longest begin first, so that none is left to run alone at the end.
LONGEST = ("test_dashboard.py", "test_hosts.py", "test_retention.py", "test_signals.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for stack in running_stacks:
            for name, text in stack.logs():
                report.sections.append((f"{stack.database} {name}", text))
    return report


running_stacks = []


@pytest.fixture(scope="session")
def cluster():
    one = Cluster()
    try:
        one.make()
        yield one
    finally:
        one.stop()
        shutil.rmtree(one.base, ignore_errors=True)


@pytest.fixture(scope="module")
def database(cluster):
    """A fresh migrated database without anybody in it; its name."""
    name = cluster.new_database()
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="module")
def make_stack(cluster):
    """Makes stacks that live as long as the module."""
    made = []

    def make(**options):
        one = Stack(cluster, **options)
        made.append(one)
        running_stacks.append(one)
        return one

    yield make
    for one in made:
        running_stacks.remove(one)
        one.stop()


@pytest.fixture(scope="module")
def stack(request, make_stack):
    return make_stack(**getattr(request.module, "STACK", {}))


@pytest.fixture
def project(stack):
    return stack.project()


@pytest.fixture(scope="session")
def peer():
    one = Peer()
    yield one
    one.stop()


@pytest.fixture
def clock(stack):
    """Moves the stack's time; puts it right afterwards."""
    yield stack.move_clock
    stack.cluster.move_clock("")
