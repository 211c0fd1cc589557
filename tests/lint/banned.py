"""Functions that a room may not call: those that cannot be used safely on text from outside, those
of another room's library, and printing where nothing prints."""

import fnmatch
import re

import lint

UNSAFE = (
    "strtol strtoul strtoll strtoull strtod strtof strtold atoi atol atoll atof sscanf fscanf "
    "scanf gets strcpy strcat sprintf vsprintf strtok alloca g_alloca g_newa tmpnam mktemp system "
    "popen rand srand setjmp longjmp asctime ctime"
).split()
PRINTING = "printf puts putchar vprintf fprintf vfprintf fputs g_print g_printerr perror".split()
ASSERTS = "assert g_assert g_assert_true g_assert_nonnull g_return_if_fail g_error".split()
PARSERS = (
    "engine/file/gguf.c",
    "engine/file/safetensors*.c",
    "engine/file/json*.c",
    "engine/file/config*.c",
    "engine/text/tokenizer-*.c",
    "engine/text/tools*.c",
    "vision/*.c",
)

# Files, what they may not call, why.
RULES = (
    (("engine/*", "vision/*", "app/*"), UNSAFE, "cannot be used safely"),
    (("engine/*", "vision/*"), PRINTING, "nothing prints here"),
    (PARSERS, ASSERTS, "a parser refuses, it does not abort"),
    (("engine/*", "app/*"), ["vips_*"], "libvips is vision's"),
    (
        ("engine/*", "vision/*", "app/cli/*", "app/core/*"),
        ["gtk_*", "adw_*", "sqlite3_*"],
        "of another room",
    ),
)
CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\(")
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'', re.S)


def blank(match):
    """A comment or string as blanks, its newlines kept."""
    return re.sub(r"[^\n]", " ", match[0])


def look(tree):
    problems = []
    for path, text in tree.items():
        if not path.endswith((".c", ".h")):
            continue
        rules = [
            (names, why)
            for files, names, why in RULES
            if any(fnmatch.fnmatch(path, f) for f in files)
        ]
        for number, line in lint.numbered(NOISE.sub(blank, text)) if rules else ():
            for call in CALL.findall(line):
                problems += [
                    f"{path}:{number}: {call}(): {why}"
                    for names, why in rules
                    if any(fnmatch.fnmatchcase(call, name) for name in names)
                ]
    return problems


SAMPLES = [
    ("atoi on text", {"engine/text/x.c": "int n = atoi(s);\n"}, "safely"),
    ("sprintf", {"app/cli/x.c": "    sprintf(b, s);\n"}, "safely"),
    ("printing in the engine", {"engine/session.c": "    printf(s);\n"}, "nothing prints"),
    ("an assert in a parser", {"engine/file/gguf.c": "g_assert(n > 0);\n"}, "does not abort"),
    ("an assert in seeing", {"vision/picture.c": "g_assert_nonnull (x);\n"}, "does not abort"),
    ("libvips in a command", {"app/cli/look.c": "vips_image_new();\n"}, "vision's"),
]

if __name__ == "__main__":
    lint.main("banned", look, SAMPLES)
