"""Who may include whom: a room sees what its row names, of ours and of libraries, and no more."""

import fnmatch
import posixpath
import re

import lint

# The first row that fits a file counts: the file, what it may include of ours, whose libraries.
# Paths of this table are below engine/; every row has COMMON besides.
COMMON = "error.h pool.h media.h file/json.h file/dtype*.h graph/tensor.h"
ENGINE = (
    ("file/*", "file/*", "glib jansson"),
    ("text/*", "text/*", "glib jansson pcre2"),
    ("graph/*", "graph/*", "glib"),
    ("arch/*", "arch/* graph/* text/chat.h file/config.h file/meta.h file/weights.h", "glib"),
    ("memory/*", "memory/* graph/*", "glib"),
    ("cpu/*", "cpu/* graph/* backend.h", "glib simd"),
    ("error.*", "", "glib"),
    ("pool.*", "", "glib"),
    ("media.h", "", "glib"),
    ("backend.h", "graph/*", "glib"),
    ("execute.*", "execute.h backend.h graph/* memory/scratch.h", "glib"),
    ("engine.h", "text/*", "glib"),
    ("*", "*", "glib jansson pcre2"),
)
DOORS = "vision/vision.h engine/engine.h engine/media.h engine/error.h"
FILES = "engine/file/json.h engine/file/npy.h engine/file/synth.h engine/file/weights.h"
OTHERS = (
    ("vision/*", "vision/* engine/media.h engine/error.h", "glib gio vips"),
    ("app/core/*", f"app/core/* {DOORS}", "glib jansson"),
    ("app/*", f"app/* {DOORS} {FILES}", "glib jansson editline"),
    ("tests/*", "*", "glib jansson pcre2 vips editline simd"),
)
LIBRARIES = {
    "glib": "glib.h glib/* glib-unix.h glib-object.h",
    "gio": "gio/gio.h",
    "jansson": "jansson.h",
    "pcre2": "pcre2.h",
    "vips": "vips/*",
    "editline": "editline/readline.h histedit.h",
    "simd": "immintrin.h arm_neon.h cpuid.h",
    "libc": "assert.h ctype.h elf.h errno.h fcntl.h fenv.h float.h getopt.h inttypes.h langinfo.h "
    "limits.h locale.h math.h poll.h pthread.h sched.h signal.h stdalign.h stdarg.h stdatomic.h "
    "stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h termios.h threads.h time.h "
    "unistd.h wchar.h sys/*.h linux/*.h sanitizer/*.h",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]*)[">]')


def headers_of(libraries):
    return " ".join(LIBRARIES[name] for name in ["libc", *libraries.split()]).split()


def table():
    """[(file, patterns of ours, patterns of libraries)]."""
    rows = [
        ("engine/" + file, [f"engine/{path}" for path in f"{COMMON} {ours}".split()], libraries)
        for file, ours, libraries in ENGINE
    ]
    rows += [(file, ours.split(), libraries) for file, ours, libraries in OTHERS]
    return [(file, ours, headers_of(libraries)) for file, ours, libraries in rows]


def fits(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def fault(header, quoted, row, tree):
    """What is wrong with one include of a file that row fits; None when nothing is."""
    file, ours, libraries = row
    if not quoted:
        return None if fits(header, libraries) else f"<{header}> is not for {file}"
    if header.endswith(".c"):
        return "a .c is included"
    if posixpath.normpath(header) != header or "/" not in header:
        return f'"{header}" is not written from the root'
    if not fits(header, ours):
        return f"{file} may not know {header}"
    if header not in tree and not (lint.ROOT / header).is_file():
        return f'"{header}" does not exist'
    return None


def look(tree):
    rows = table()
    problems = []
    for path, text in tree.items():
        if not path.endswith((".c", ".h")):
            continue
        row = next((row for row in rows if fnmatch.fnmatch(path, row[0])), None)
        if not row:
            problems.append(f"{path}:1: no row of the table fits this file")
            continue
        for number, line in lint.numbered(text):
            include = INCLUDE.match(line)
            what = include and fault(include[2], include[1] == '"', row, tree)
            if what:
                problems.append(f"{path}:{number}: {what}")
    return problems


def sample(path, include):
    return {path: f"#include {include}\n"}


SAMPLES = [
    ("a file that knows the graph", sample("engine/file/x.c", '"engine/graph/ops.h"'), "not know"),
    ("words that know a file", sample("engine/text/x.h", '"engine/file/gguf.h"'), "not know"),
    ("a command that knows kernels", sample("app/cli/x.c", '"engine/cpu/kernels.h"'), "not know"),
    ("seeing that knows the engine", sample("vision/x.c", '"engine/engine.h"'), "not know"),
    ("an engine that knows the program", sample("engine/model.c", '"app/core/x.h"'), "not know"),
    ("a kernel that knows a model", sample("engine/cpu/x.c", '"engine/engine.h"'), "not know"),
    ("libvips in the engine", sample("engine/session.c", "<vips/vips.h>"), "is not for"),
    ("GIO in the engine", sample("engine/pool.c", "<gio/gio.h>"), "is not for"),
    ("SIMD outside the kernels", sample("engine/text/x.c", "<immintrin.h>"), "is not for"),
    ("a path from beside", sample("vision/x.c", '"tile.h"'), "not written from the root"),
    ("a header that is not there", sample("vision/x.c", '"vision/nowhere.h"'), "does not exist"),
    ("an included .c", sample("tests/unit/x.c", '"vision/tile.c"'), "a .c is included"),
    ("a file in no room", {"extra/x.c": ""}, "no row"),
]

if __name__ == "__main__":
    lint.main("includes", look, SAMPLES)
