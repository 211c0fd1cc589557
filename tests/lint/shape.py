"""Sizes: a .c has one idea, a header can be read, a function fits a screen or two, parameters fit a
hand. Builders of graphs in engine/arch may be as long as the model that they tell."""

import re

import lint

MOST_LINES = {".c": 1000, ".h": 250}
MOST_FUNCTION_LINES = 100
MOST_PARAMETERS = 8
NO_FUNCTION = ("if", "for", "while", "switch", "do", "else", "struct", "enum", "union", "typedef")
HEAD = re.compile(r"^[a-z][\w \t*]*?\b(\w+)\(([^;{}]*?)\)\s*\n\{\n", re.M | re.S)


def functions(text):
    """(name, number of its first line, lines of its body, parameters) of each definition."""
    for head in HEAD.finditer(text):
        end = text.find("\n}\n", head.end())
        parameters = 0 if head[2].strip() in ("", "void") else head[2].count(",") + 1
        # Commas inside the brackets of a pointer to a function do not part parameters.
        parameters -= sum(inner.count(",") for inner in re.findall(r"\([^()]*\)", head[2]))
        first = text.count("\n", 0, head.start()) + 1
        yield head[1], first, text.count("\n", head.end(), end) + 1, parameters


def look(tree):
    problems = []
    for path, text in tree.items():
        suffix = path[-2:]
        if suffix not in MOST_LINES or path.startswith("tests/"):
            continue
        lines = text.count("\n")
        if lines > MOST_LINES[suffix] and "-grids" not in path:
            problems.append(f"{path}:1: {lines} lines, {MOST_LINES[suffix]} fit")
        for name, first, length, parameters in functions(text):
            if length > MOST_FUNCTION_LINES and not path.startswith("engine/arch/"):
                problems.append(f"{path}:{first}: {name} has {length} lines")
            if parameters > MOST_PARAMETERS:
                problems.append(f"{path}:{first}: {name} has {parameters} parameters")
    return problems


SAMPLES = [
    ("a long file", {"engine/x.c": "int x;\n" * 1001}, "lines"),
    ("a long header", {"engine/x.h": "int x;\n" * 251}, "lines"),
    (
        "a long function",
        {"app/x.c": "static int x(int y)\n{\n" + "    y++;\n" * 101 + "}\n"},
        "x has 101",
    ),
    (
        "a handful too many",
        {"app/x.c": "int x(" + ", ".join("abcdefghi") + ")\n{\n\n}\n"},
        "x has 9",
    ),
]

if __name__ == "__main__":
    lint.main("shape", look, SAMPLES)
