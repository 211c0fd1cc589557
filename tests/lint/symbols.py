"""What a room's library shows to the linker is called nawi_… or after a file of its room.

symbols.py COMPILER... -- LIBRARY=ROOM..."""

import pathlib
import subprocess
import sys
import tempfile

import lint

# Further stems: a family of files that share one.
STEMS = {
    "engine/cpu": ("kernels",),
    "engine/graph": ("graph",),
    "engine/arch": ("block",),
}
GENERATED = ("__", "_fini", "_init")  # a sanitizer's or the compiler's own


def exported(library):
    done = subprocess.run(
        ["nm", "--extern-only", "--defined-only", "--format=posix", library],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split()[0] for line in done.stdout.splitlines() if len(line.split()) > 1]


def stems_of(room):
    """Names of the room's own files; what its folders below have is theirs."""
    folder = lint.ROOT / room
    files = [
        path.stem.replace("-", "_") for path in folder.iterdir() if path.suffix in (".c", ".h")
    ]
    return {*files, *STEMS.get(room, ())}


def compiled(text):
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "x.o")
        subprocess.run(
            [*COMPILER, "-x", "c", "-c", "-", "-o", target], input=text, text=True, check=True
        )
        return exported(target)


def exported_by(library):
    return exported(library) if "\n" not in library else compiled(library)


def look(libraries):
    """libraries: {path of a static library, or the text of a .c to be compiled: room}."""
    problems = []
    for library, room in libraries.items():
        stems = stems_of(room)
        for symbol in exported_by(library):
            own = symbol.startswith("nawi_") or any(symbol.startswith(f"{stem}_") for stem in stems)
            if not own and not symbol.startswith(GENERATED) and symbol != "main":
                problems.append(f"{room}: {symbol} is named neither nawi_… nor after a file")
    return problems


SAMPLES = [
    ("a function without prefix", {"int open_it(void) { return 1; }\n": "engine/file"}, "open_it"),
    ("a table without prefix", {"int tables[3] = {1};\n": "engine/cpu"}, "tables"),
    ("a stem of another room", {"int gguf_x(void) { return 1; }\n": "engine/text"}, "gguf_x"),
]

if __name__ == "__main__":
    split = sys.argv.index("--")
    COMPILER = sys.argv[1:split]
    lint.main(
        "symbols", look, SAMPLES, dict(given.rsplit("=", 1) for given in sys.argv[split + 1 :])
    )
