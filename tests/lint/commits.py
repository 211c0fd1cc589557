"""Subjects of commits: `room: imperative, lower case`, no full stop, 72 characters wanted and never
more than 80."""

import re
import sys

import lint

ROOM = (
    r"(engine|vision|app|data|po|shaders|tests|build|ci|readme|house|licence)"
    r"(/[a-z0-9][a-z0-9_.-]*)*(, ?[a-z][a-z0-9/_.-]*)*"
)
FORM = re.compile(rf"{ROOM}: [^A-Z\s]\S*( \S+)*$")
MOST = 80
NEWEST = 60


def look(subjects):
    """subjects: {hash: subject}."""
    problems = []
    for commit, subject in subjects.items():
        if not FORM.match(subject):
            problems.append(f"{commit}: not `room: imperative, lower case`: {subject}")
        if len(subject) > MOST:
            problems.append(f"{commit}: {len(subject)} characters, {MOST} fit: {subject}")
        if subject.endswith("."):
            problems.append(f"{commit}: ends in a full stop: {subject}")
    return problems


SAMPLES = [
    ("a subject without room", {"1": "fix things"}, "not `room"),
    ("a capital", {"1": "engine: Fix things"}, "not `room"),
    ("an unknown room", {"1": "stuff: fix things"}, "not `room"),
    ("a long subject", {"1": "engine/text: " + "x" * 80}, "characters"),
    ("a full stop", {"1": "engine/text: fix things."}, "full stop"),
]

if __name__ == "__main__":
    log = lint.git("log", "--no-merges", f"--max-count={NEWEST}", "--format=%h %s")
    if log is None:
        print("1..0 # SKIP no history here")
        sys.exit(0)
    lint.main("commits", look, SAMPLES, dict(line.split(" ", 1) for line in log))
