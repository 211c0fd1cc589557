"""Who may include whom. A room sees what its row names and nothing else; system headers likewise."""

import fnmatch
import posixpath
import re

import lint

EVERYWHERE = "engine/error.h engine/pool.h engine/media.h engine/file/json.h engine/file/dtype.h engine/graph/tensor.h"
FRONT = "engine/engine.h engine/media.h engine/error.h vision/vision.h"

# The first row that fits a file counts: file, what it may include of ours, whose headers of libraries.
ENGINE = "glib jansson pcre2"
ALLOW = (
    ("engine/model*.[ch]", "engine/*", ENGINE),
    ("engine/session*.[ch]", "engine/*", ENGINE),
    ("engine/engine.h", f"{EVERYWHERE} engine/text/*.h", ENGINE),
    ("engine/file/*", f"{EVERYWHERE} engine/file/*", ENGINE),
    ("engine/text/*", f"{EVERYWHERE} engine/text/*", ENGINE),
    ("engine/graph/*", f"{EVERYWHERE} engine/graph/*", ENGINE),
    ("engine/arch/*", f"{EVERYWHERE} engine/arch/* engine/graph/* engine/text/chat.h engine/file/config.h "
                      "engine/file/meta.h engine/file/weights.h", ENGINE),
    ("engine/memory/*", f"{EVERYWHERE} engine/memory/* engine/graph/*", ENGINE),
    ("engine/cpu/*", f"{EVERYWHERE} engine/cpu/* engine/graph/* engine/backend.h", ENGINE + " simd"),
    ("engine/*", f"{EVERYWHERE} engine/graph/*", ENGINE),
    ("vision/*", "vision/* engine/media.h engine/error.h", "glib vips"),
    ("app/core/*", f"app/core/* {FRONT} {EVERYWHERE}", "glib jansson"),
    ("app/cli/*", f"app/* {FRONT} engine/file/*.h", "glib jansson editline"),
    ("tests/*", "*", "glib jansson pcre2 vips editline simd"),
)
LIBRARIES = {
    "glib": ("glib.h", "glib/*", "glib-unix.h", "glib-object.h"),
    "jansson": ("jansson.h",),
    "pcre2": ("pcre2.h",),
    "vips": ("vips/*",),
    "editline": ("editline/readline.h", "histedit.h"),
    "simd": ("immintrin.h", "arm_neon.h", "cpuid.h"),
}
LIBC = ("assert ctype elf errno fcntl fenv float getopt inttypes langinfo limits locale math poll pthread sched setjmp "
        "signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string strings termios threads time "
        "unistd wchar").split()
SYSTEM = ("sys/*.h", "linux/*.h", "netinet/*.h", "arpa/*.h", "sanitizer/*.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]*)[">]')


def fits(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def allowed_system(header, libraries):
    if header in (f"{name}.h" for name in LIBC) or fits(header, SYSTEM):
        return True
    return any(fits(header, LIBRARIES[library]) for library in libraries.split())


def look(tree):
    problems = []
    for path, text in tree.items():
        if not path.endswith((".c", ".h")):
            continue
        row = next((row for row in ALLOW if fnmatch.fnmatch(path, row[0])), None)
        if not row:
            problems.append(f"{path}:1: no row of the table fits this file")
            continue
        for number, line in lint.numbered(text):
            include = INCLUDE.match(line)
            if not include:
                continue
            where, header = f"{path}:{number}", include[2]
            if include[1] == "<":
                if not allowed_system(header, row[2]):
                    problems.append(f"{where}: <{header}> is not for {row[0]}")
            elif header.endswith(".c"):
                problems.append(f"{where}: a .c is included")
            elif posixpath.normpath(header) != header or "/" not in header:
                problems.append(f"{where}: \"{header}\" is not written from the root")
            elif not fits(header, row[1].split()):
                problems.append(f"{where}: {row[0]} may not know {header}")
            elif header not in tree and not (lint.ROOT / header).is_file():
                problems.append(f"{where}: \"{header}\" does not exist")
    return problems


SAMPLES = [
    ("a reader of files that knows the graph", {"engine/file/x.c": '#include "engine/graph/ops.h"\n'}, "may not know"),
    ("words that know a file format", {"engine/text/x.h": '#include "engine/file/gguf.h"\n'}, "may not know"),
    ("a command that knows a kernel", {"app/cli/x.c": '#include "engine/cpu/kernels.h"\n'}, "may not know"),
    ("seeing that knows the engine", {"vision/x.c": '#include "engine/engine.h"\n'}, "may not know"),
    ("an engine that knows the program", {"engine/model.c": '#include "app/cli/cli.h"\n'}, "may not know"),
    ("libvips in the engine", {"engine/session.c": "#include <vips/vips.h>\n"}, "is not for"),
    ("GIO in the engine", {"engine/pool.c": "#include <gio/gio.h>\n"}, "is not for"),
    ("a path from beside", {"vision/x.c": '#include "tile.h"\n'}, "not written from the root"),
    ("a header that is not there", {"vision/x.c": '#include "vision/nowhere.h"\n'}, "does not exist"),
    ("an included .c", {"tests/unit/x.c": '#include "vision/tile.c"\n'}, "a .c is included"),
    ("a file in no room", {"extra/x.c": ""}, "no row"),
]

if __name__ == "__main__":
    lint.main("includes", look, SAMPLES)
