"""Makes one C++ source of every C++ snippet in the documents: python extract_snippets.py OUT.cpp DOCUMENT…

A snippet with a `main` becomes a function of its own. The others of a document are one function, in their
order, as a reader would put them together; what they take for granted stands in NAME.context.h beside this
file, for the document NAME.md.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SNIPPET = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r"^#include .*\n", re.MULTILINE)


def functions(document: Path) -> tuple[set[str], dict[str, str]]:
    """The includes of a document's snippets, and its functions' bodies by name."""
    includes, bodies, fragments = set(), {}, ""
    name = re.sub(r"\W", "_", document.stem.lower())
    for match in SNIPPET.finditer(document.read_text()):
        includes |= set(INCLUDE.findall(match[1]))
        code = INCLUDE.sub("", match[1])
        line = document.read_text()[: match.start()].count("\n") + 2
        marked = f'#line {line} "{document.name}"\n{code}'
        if "int main()" in code:
            bodies[f"{name}_{line}"] = marked.replace("int main()", "void run()")
        else:
            fragments += marked
    if fragments:
        context = HERE / f"{document.stem}.context.h"
        setting = f'#include "{context}"\n' if context.exists() else ""
        bodies[name] = f"void run() {{\n{setting}{fragments}}}\n"
    return includes, bodies


def main() -> None:
    out, *documents = map(Path, sys.argv[1:])
    includes, bodies = {"#include <torch/torch.h>\n", "#include <xattn/xattn.h>\n", "#include <malloc.h>\n", "#include <climits>\n"}, {}
    for document in documents:
        more, found = functions(document)
        includes |= more
        bodies |= found
    text = "".join(sorted(includes))
    for name, body in bodies.items():
        text += f"namespace {name} {{\n{body}}}\n"
    text += "int main() {\n" + "".join(f"  {name}::run();\n" for name in bodies) + "}\n"
    out.write_text(text)


if __name__ == "__main__":
    main()
