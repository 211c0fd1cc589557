"""The manual page and the program's own help name the same commands and options.

manual.py PROGRAM"""

import re
import subprocess
import sys

import lint

PAGE = "data/nawi.1"
FREE = {"help", "version", "name"}  # of every command, of the program, and the page's own example


def told(*arguments):
    done = subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def read_program():
    """{command: its long options} by the program's help."""
    commands = re.findall(r"^  ([a-z]+) {2,}\S", told("--help"), re.M)
    return {
        name: re.findall(
            r"^  .*?--([a-z][a-z0-9-]*)", told(name, "--help").split("options:")[-1], re.M
        )
        for name in commands
    }


def look(tree):
    """tree: {"page": text of the manual page, command: its long options}."""
    page = tree["page"]
    commands = {name for name in tree if name != "page"}
    sections = set(re.findall(r"^\.Ss nawi ([a-z]+)", page, re.M))
    in_page = set(re.findall(r"Fl (?:[a-z] , )?-([a-z][a-z0-9-]*)", page))
    in_program = {option for name in commands for option in tree[name]} - FREE
    problems = [f"{PAGE}:1: no section for `nawi {name}`" for name in commands - sections]
    problems += [f"{PAGE}:1: tells of `nawi {name}`, which is none" for name in sections - commands]
    problems += [f"{PAGE}:1: does not tell of --{option}" for option in in_program - in_page]
    problems += [
        f"{PAGE}:1: tells of --{option}, which is none" for option in in_page - in_program - FREE
    ]
    return sorted(problems)


BOTH = ".Ss nawi look\n.It Fl t , -tile\n.It Fl -help\n.It Fl -version\n"
SAMPLES = [
    ("a command without section", {"page": BOTH, "look": ["tile"], "ask": []}, "no section"),
    ("a command that is gone", {"page": BOTH + ".Ss nawi gone\n", "look": ["tile"]}, "nawi gone"),
    ("an option left out", {"page": BOTH, "look": ["tile", "out"]}, "not tell of --out"),
    ("an option that is gone", {"page": BOTH, "look": []}, "tells of --tile"),
]

if __name__ == "__main__":
    page = (lint.ROOT / PAGE).read_text(encoding="utf-8")
    lint.main("manual", look, SAMPLES, {"page": page, **read_program()})
