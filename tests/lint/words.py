"""The tree speaks of Nawi, on any machine: no paths of one machine, no hosts of a registry, nothing
left undone."""

import re

import lint

# Halves, lest this file be found by itself.
TOOLS = [
    "clau|de",
    "chat|gpt",
    "co|pilot",
    "language model wr|ote",
    "this ses|sion",
    "my ses|sion",
    "our ses|sion",
]
ANYWHERE = [
    (
        re.compile(
            r"(^|[^a-z])(" + "|".join(words.replace("|", "") for words in TOOLS) + ")", re.I
        ),
        "a word that is not about Nawi",
    ),
    (
        re.compile(r"(^|[\s\"'`(=:,])/(work|home|root|farm|Users|tmp/bash_)\w*/"),
        "a path of one machine",
    ),
    (
        re.compile(
            r"\b(deb\.debian|snapshot\.debian|pypi|files\.pythonhosted|registry\.npmjs)\.org\b",
            re.I,
        ),
        "the host of a registry",
    ),
]
IN_CODE = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "left undone"),
    (re.compile(r"\bnot (yet )?impl" r"emented\b|\bplace" r"holder\b", re.I), "left undone"),
]


def look(tree):
    problems = []
    for path, text in tree.items():
        if path == "LICENSE" or path.startswith("po/"):
            continue
        rules = ANYWHERE + (
            IN_CODE if path.endswith((".c", ".h", ".comp", ".py", ".build")) else []
        )
        for number, line in lint.numbered(text):
            for pattern, what in rules:
                hit = pattern.search(line)
                if hit:
                    problems.append(f"{path}:{number}: {what}: {hit[0].strip()}")
    return problems


SAMPLES = [
    ("a path below a home", {"README.md": "see /ho" "me/ann/nawi\n"}, "a path of one machine"),
    ("a tool by name", {"engine/x.c": "/* as Co" "pilot says */\n"}, "not about Nawi"),
    ("a registry", {"tests/run": "curl https://py" "pi.org/simple\n"}, "registry"),
    ("a note to oneself", {"engine/x.c": "/* TO" "DO */\n"}, "left undone"),
    ("a promise", {"app/x.c": '"not yet impl' 'emented"\n'}, "left undone"),
]

if __name__ == "__main__":
    lint.main("words", look, SAMPLES)
