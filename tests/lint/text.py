"""Plain text: no tabs, no blanks at the end of a line, one newline at the end of a file, no
invisible characters, lines that fit."""

import unicodedata

import lint

MOST_COLUMNS = 100
LONG_LINES = (".md", ".po", ".1", ".css", "LICENSE")
# Marks of direction and zero width stand in words of some languages; in code they are escaped.
INVISIBLE = ("Cf", "Cc", "Zl", "Zp", "Co", "Cn")


def look_at(path, text):
    if not text:
        return
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield text.count("\n") + 1, "the file does not end in one newline"
    for number, line in lint.numbered(text):
        if "\t" in line and not path.endswith((".tsv", "Makefile")):
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if "\ufffd" in line:
            yield number, "no UTF-8"
        bad = [c for c in line if c != "\t" and c != "\r" and unicodedata.category(c) in INVISIBLE]
        bad += [c for c in line if unicodedata.category(c) == "Zs" and c != " "]
        if bad:
            yield number, "invisible character " + ", ".join(f"U+{ord(c):04X}" for c in bad)
        if len(line) > MOST_COLUMNS and not path.endswith(LONG_LINES):
            yield number, f"{len(line)} columns, {MOST_COLUMNS} fit"


def look(tree):
    return [
        f"{path}:{number}: {what}"
        for path, text in tree.items()
        for number, what in look_at(path, text)
    ]


SAMPLES = [
    ("a tab", {"engine/x.c": "\tx;\n"}, "a tab"),
    ("blanks at the end", {"engine/x.c": "x; \n"}, "blanks"),
    ("CR LF", {"engine/x.c": "x;\r\n"}, "blanks"),
    ("no newline at the end", {"engine/x.c": "x;"}, "one newline"),
    ("an empty last line", {"engine/x.c": "x;\n\n"}, "one newline"),
    ("a zero-width space", {"README.md": "a\u200bb\n"}, "U+200B"),
    ("a direction override", {"engine/x.c": "/* \u202e */\n"}, "U+202E"),
    ("a hard space", {"engine/x.c": "/*\u00a0*/\n"}, "U+00A0"),
    ("bytes that are no UTF-8", {"engine/x.c": "/* \ufffd */\n"}, "no UTF-8"),
    ("a long line", {"engine/x.c": "/" * 200 + "\n"}, "columns"),
]

if __name__ == "__main__":
    lint.main("text", look, SAMPLES)
