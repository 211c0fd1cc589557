"""Each header compiles alone, and twice, as C17 with warnings as errors."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import lint

PACKAGES = ("glib-2.0", "jansson", "libpcre2-8", "vips", "libedit")
FLAGS = (
    "-std=c17 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wstrict-prototypes "
    "-Wno-missing-field-initializers -Wshadow -Werror -fsyntax-only -x c -"
).split()


# Headers of one tier of processors only.
TIERS = {"avx2": ["-mavx2", "-mfma", "-mf16c"]}


def cflags():
    found = subprocess.run(
        ["pkg-config", "--cflags", *PACKAGES], capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def compile_alone(path, folders, compiler, flags):
    tier = next((TIERS[name] for name in TIERS if f"/{name}" in path), [])
    done = subprocess.run(
        [*compiler, *tier, *(f"-I{folder}" for folder in folders), *flags, *FLAGS],
        input=f'#include "{path}"\n#include "{path}"\n',
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return []
    first = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr)
    return [f"{path}:1: does not compile alone: {first.strip()}"]


def look(tree):
    """Headers are written to a folder of their own: a sample is looked at like the tree."""
    headers = [path for path in tree if path.endswith(".h")]
    with tempfile.TemporaryDirectory() as folder:
        for path in headers:
            target = pathlib.Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(tree[path], encoding="utf-8")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda path: compile_alone(path, [folder], COMPILER, GIVEN), headers)
            return [problem for problems in found for problem in problems]


SAMPLES = [
    ("a type that is not included", {"engine/x.h": "#pragma once\nuint8_t x(void);\n"}, "alone"),
    ("a missing guard", {"engine/x.h": "struct x {\n    int y;\n};\n"}, "alone"),
    (
        "a warning",
        {"engine/x.h": "#pragma once\nstatic inline int x(long y) { return y; }\n"},
        "alone",
    ),
    ("an old prototype", {"engine/x.h": "#pragma once\nint x();\n"}, "alone"),
]

if __name__ == "__main__":
    COMPILER = sys.argv[1:] or ["cc"]
    GIVEN = cflags()
    lint.main("headers", look, SAMPLES)
