"""What `meson install` lays out, moved as a whole to another place, runs and finds its model.

install.py BUILD_FOLDER"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import lint

WANTED = (
    "bin/nawi",
    "share/nawi/cria-q8_0.gguf",
    "share/nawi/mmproj-cria-q8_0.gguf",
    "share/man/man1/nawi.1",
    "share/doc/nawi/LICENSE",
    "share/doc/nawi/CREDITS.md",
)
SHOW = "tests/golden/cria/show"


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def lay_out(folder):
    """The prefix below folder, moved away from where it was installed."""
    done = run(
        "meson",
        "install",
        "-C",
        sys.argv[1],
        "--no-rebuild",
        "--quiet",
        env={**os.environ, "DESTDIR": f"{folder}/first"},
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    program = next(pathlib.Path(folder, "first").rglob("bin/nawi"))
    return program.parents[1].rename(f"{folder}/moved")


def cases(prefix):
    """[(what, passed, what was found)]."""
    missing = [path for path in WANTED if not (prefix / path).is_file()]
    yield "everything is there", not missing, f"missing: {missing}"
    extra = [path for path in (prefix / "bin").iterdir() if path.name != "nawi"]
    yield "no program of the tests is installed", not extra, str(extra)
    program = prefix / "bin/nawi"
    done = run(program, "--help")
    yield "it tells its commands", done.returncode == 0 and "caption" in done.stdout, done.stderr
    done = run(
        program,
        "caption",
        lint.ROOT / f"{SHOW}.png",
        "--lang",
        "en,th",
        cwd=prefix,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **SANITIZERS},
    )
    show = json.loads((lint.ROOT / f"{SHOW}.json").read_text(encoding="utf-8"))
    told = all(show[language]["answer"] in done.stdout for language in ("en", "th"))
    yield "it captions a picture with the installed Cria", told, done.stdout + done.stderr
    (prefix / WANTED[1]).unlink()
    done = run(program, "caption", lint.ROOT / f"{SHOW}.png", cwd=prefix)
    clear = done.returncode == 1 and "cria-q8_0.gguf" in done.stderr
    yield "without Cria it says what is missing", clear, f"{done.returncode}: {done.stderr}"


SANITIZERS = {name: text for name, text in os.environ.items() if name.endswith("SAN_OPTIONS")}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = list(cases(lay_out(folder)))
    print(f"1..{len(results)}")
    for i, (what, passed, found) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {i} - install: {what}")
        if not passed:
            print("# " + found.strip().replace("\n", "\n# "))
    sys.exit(0 if all(passed for _, passed, _ in results) else 1)
