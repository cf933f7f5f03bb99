"""The statements of the sql/ directories, read from their files: name, text, and what their header says."""

import re

from harness.process import ROOT

DIRECTORIES = ("common", "fcgi", "worker", "cli")


class Statement:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        lines = path.read_text().splitlines()
        body = next(i for i, line in enumerate(lines) if not line.startswith("--"))
        self.header = "\n".join(lines[:body])
        self.text = "\n".join(lines[body:]).rstrip().rstrip(";")

    @property
    def id(self):
        return f"{self.path.parts[-3]}/{self.name}"

    def described(self):
        """The numbers of the parameters that the header describes, ranges like "$1 to $28" included."""
        found = {int(n) for n in re.findall(r"\$(\d+)", self.header)}
        for first, last in re.findall(r"\$(\d+) to \$(\d+)", self.header):
            found |= set(range(int(first), int(last) + 1))
        return found

    def first_parameter(self):
        """What the header says $1 is, in lower case."""
        found = re.search(r"\$1\s+(.*)", self.header)
        return found.group(1).lower() if found else ""


def all_statements(*directories):
    paths = [p for d in directories or DIRECTORIES for p in sorted((ROOT / d / "sql").glob("*.sql"))]
    return [Statement(p) for p in paths]
