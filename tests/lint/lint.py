"""What every lint shares: the tree as text, and a report in TAP.

A lint is a function from a tree, {path: text}, to its problems, ["path:line: what"]. Before it
looks at the real tree it must find the fault of every sample that it brings along."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("engine", "vision", "app", "data", "po", "shaders", "tests")
CODE = (".c", ".h", ".py", ".sh", ".build", ".txt", ".md", ".1", ".comp", ".glsl", ".ui", ".css")


def git(*arguments):
    """Lines that git prints, or None without git or outside a checkout of this tree."""
    command = ["git", "-c", "safe.directory=*", "-c", "core.quotePath=off", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 and (ROOT / ".git").exists() else None


def paths():
    """What git tracks and what is new in our folders; without git, every file that lies there."""
    tracked = git("ls-files")
    if tracked is None:
        found = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
        return sorted(path for path in found if not path.startswith(("build", ".git/")))
    new = git("ls-files", "--others", "--exclude-standard", *ROOMS)
    return sorted(path for path in {*tracked, *new} if (ROOT / path).is_file())


def is_script(path):
    file = ROOT / path
    return "." not in file.name and file.is_file() and file.open("rb").read(2) == b"#!"


def is_golden(path):
    """Reference data, kept byte for byte."""
    return path.startswith(("tests/golden/", "tests/fuzz/corpus/")) and not path.endswith(
        (".c", ".h", ".build")
    )


def is_source(path):
    if is_golden(path):
        return False
    return path.endswith(CODE) or path.startswith(".") or is_script(path)


def sources():
    """{path: text} of all that people write. Bytes that are no UTF-8 become U+FFFD."""
    return {
        path: (ROOT / path).read_bytes().decode("utf-8", "replace")
        for path in paths()
        if is_source(path)
    }


def numbered(text):
    return enumerate(text.split("\n"), 1)


def main(name, lint, samples, tree=None):
    """samples: [(title, tree, words that the report must have)]. Exits."""
    failed = False
    print(f"1..{len(samples) + 1}")
    for i, (title, sample, wanted) in enumerate(samples, 1):
        problems = lint(sample)
        found = any(wanted in problem for problem in problems)
        failed |= not found
        print(f"{'ok' if found else 'not ok'} {i} - {name} finds {title}")
        if not found:
            print(f"# wanted a problem with {wanted!r}, found {problems}")
    problems = lint(sources() if tree is None else tree)
    for problem in problems:
        print(f"# {problem}")
    print(f"{'not ok' if problems else 'ok'} {len(samples) + 1} - {name} finds nothing in the tree")
    sys.exit(1 if failed or problems else 0)
