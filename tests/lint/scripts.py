"""Scripts can be read by the language that their first line names, and can be run."""

import os
import subprocess

import lint

SHELLS = {"#!/bin/sh": "sh", "#!/usr/bin/env bash": "bash", "#!/bin/bash": "bash"}


def look_at(path, text):
    first = text.split("\n", 1)[0]
    if path.endswith(".py") or first.endswith("python3"):
        try:
            compile(text, path, "exec")
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"
    elif first in SHELLS:
        done = subprocess.run(
            [SHELLS[first], "-n"], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield f"{path}:1: {done.stderr.strip()}"
    elif first.startswith("#!"):
        yield f"{path}:1: {first} is no language of the house"
    file = lint.ROOT / path
    if (
        first.startswith("#!")
        and file.exists()
        and not os.access(file, os.X_OK)
        and not path.endswith(".py")
    ):
        yield f"{path}:1: cannot be executed"


def look(tree):
    return [problem for path, text in tree.items() for problem in look_at(path, text)]


SAMPLES = [
    ("an open quote", {"data/x": "#!/bin/sh\necho 'x\n"}, "data/x:1"),
    ("a Python that is none", {"tests/x.py": "def x(:\n"}, "tests/x.py:1"),
    ("another language", {"data/x": "#!/usr/bin/perl\n"}, "no language"),
]

if __name__ == "__main__":
    lint.main("scripts", look, SAMPLES)
