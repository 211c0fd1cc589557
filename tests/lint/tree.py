"""The shape of the tree: what may lie at the top and in which folders, sources that their room's
meson.build names in alphabetical order, and a README that names only what exists."""

import posixpath
import re

import lint

TOP = (
    "app data engine po shaders tests vision .ci .clang-format .editorconfig .gitattributes "
    ".gitignore LICENSE README.md meson.build meson_options.txt"
).split()
ROOMS = (
    "app app/cli app/core app/service app/ui data engine engine/arch engine/cpu engine/file "
    "engine/graph engine/memory engine/text engine/vulkan po shaders shaders/lib tests tests/check "
    "tests/fuzz tests/golden "
    "tests/hostile tests/lint tests/property tests/ui tests/unit vision .ci"
).split()
FREE = ("tests/golden/", "tests/fuzz/corpus/", "data/")
LEFT_OUT = ("utils", "util", "common", "misc", "helpers", "helper", "manager")
NAMED = re.compile(
    r"`(?:\./)?([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+/?)[^`]*`|\]\((?!https?:|#)([^)#]+)\)"
)
MADE = ("build/", "build-asan/", "build-fuzz/")  # what a build makes
SOURCE = re.compile(r"'([A-Za-z0-9_./-]+\.c)'")
CALLS = re.compile(r"(?:static_library|library|executable|files)\(((?:[^()]|\([^()]*\))*)\)", re.S)


def look_at_places(tree):
    for path in tree:
        top, folder = path.split("/")[0], posixpath.dirname(path)
        if top not in TOP:
            yield path, "is not for the top of the tree"
        elif folder and folder not in ROOMS and not path.startswith(FREE):
            yield path, f"{folder} is no room of the house"
        stem = posixpath.splitext(posixpath.basename(path))[0]
        if stem in LEFT_OUT and path.endswith((".c", ".h")):
            yield path, "says nothing by its name"


def look_at_builds(tree):
    named = set()
    for path, text in tree.items():
        if posixpath.basename(path) != "meson.build":
            continue
        folder = posixpath.dirname(path)
        for call in CALLS.findall(text):
            own = [source for source in SOURCE.findall(call) if "/" not in source]
            families = [re.split(r"[-.]", source)[0] for source in own]
            if families != sorted(families):
                yield path, f"sources out of order: {' '.join(own)}"
        named |= {
            posixpath.normpath(posixpath.join(folder, source)) for source in SOURCE.findall(text)
        }
        named |= {
            posixpath.join(folder, f"{name}.c") for name in re.findall(r"'([A-Za-z0-9_-]+)'", text)
        }
    for path in tree:
        if path.endswith(".c") and path not in named:
            yield path, "no meson.build names it"


def look_at_readme(tree):
    text = tree.get("README.md", "")
    for match in NAMED.finditer(text):
        name = (match[1] or match[2]).removeprefix("./").rstrip("/")
        if not (name in tree or name.startswith(MADE) or (lint.ROOT / name).exists()):
            yield "README.md", f"names {name}, which does not exist"


def look(tree):
    rules = (look_at_places, look_at_builds, look_at_readme)
    return [f"{path}:1: {what}" for rule in rules for path, what in rule(tree)]


SAMPLES = [
    ("a stray file", {"notes.md": ""}, "not for the top"),
    ("a stray folder", {"engine/extra/x.md": ""}, "no room"),
    ("a drawer for everything", {"engine/file/utils.h": ""}, "says nothing"),
    (
        "sources out of order",
        {"vision/meson.build": "x = static_library('x', 'b.c', 'a.c')\n"},
        "out of order",
    ),
    ("a source that is not built", {"vision/meson.build": "", "vision/x.c": ""}, "no meson.build"),
    ("a README ahead of the tree", {"README.md": "run `./tests/nowhere now`\n"}, "does not exist"),
    ("a broken link", {"README.md": "[x](data/nowhere.png)\n"}, "does not exist"),
]

if __name__ == "__main__":
    files = lint.sources()
    lint.main("tree", look, SAMPLES, {path: files.get(path, "") for path in lint.paths()})
