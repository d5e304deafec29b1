#!/usr/bin/env python3
"""Makes manual pages and completions for bash, zsh and fish of what programs say of themselves.

make_manual.py SHARE PROGRAM ...: runs each program with --help, and each of its subcommands, and
writes SHARE/man/man1/PROGRAM.1 and the completions where the shells look for them.
"""

import dataclasses
import pathlib
import re
import subprocess
import sys


@dataclasses.dataclass
class Command:
    """What --help says: the sections are lists of a name, with all that stands beside it, and a text."""

    description: str
    usage: str
    sections: dict[str, list[tuple[str, str]]]

    @property
    def options(self):
        """(name, whether a value follows, text)."""
        found = [(re.search(r"(--[\w-]+)(?=( \S)?)", names), text) for names, text in self.sections.get("Options", [])]
        return [(name[1], bool(name[2]), text) for name, text in found]

    @property
    def subcommands(self):
        return self.sections.get("Subcommands", [])


def parse(text):
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Usage:"))
    command = Command(" ".join(lines[:at]).strip(), lines[at].removeprefix("Usage:").strip(), {})
    entries = []
    for line in lines[at + 1 :]:
        if heading := re.fullmatch(r"(\w+):", line):
            entries = command.sections.setdefault(heading[1].capitalize(), [])
        elif entry := re.fullmatch(r"  (\S.*?)(?:  +(.*))?", line):
            entries.append((entry[1], entry[2] or ""))
        elif line.strip():
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}".strip())
    return command


def ask(program, *words):
    answer = subprocess.run([program, *words, "--help"], capture_output=True, encoding="utf-8", check=True)
    return parse(answer.stdout)


# --- the manual page ------------------------------------------------------------------------------


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def roff_entries(entries):
    for names, text in entries:
        yield from (".TP", f".B {roff(names)}", roff(text))


def manual(name, version, program, commands):
    yield from (f'.TH {name.upper()} 1 "" "xattn {version}"', ".SH NAME", f"{roff(name)} \\- {roff(program.description)}")
    yield from (".SH SYNOPSIS", roff(program.usage))
    for section, entries in program.sections.items():
        if section != "Subcommands":
            yield f".SH {section.upper()}"
            yield from roff_entries(entries)
    if commands:
        yield ".SH COMMANDS"
    for command in commands.values():
        yield from (f'.SS "{roff(command.usage)}"', roff(command.description))
        for entries in command.sections.values():
            yield from roff_entries(entries)


# --- completions ----------------------------------------------------------------------------------


def bash(name, program, commands):
    def words(command):
        return " ".join([option for option, _, _ in command.options] + [sub for sub, _ in command.subcommands])

    function = "_" + name.replace("-", "_")
    yield from (f"{function}() {{", "  local current=${COMP_WORDS[COMP_CWORD]} words")
    yield "  case $((COMP_CWORD > 1)):${COMP_WORDS[1]} in"
    for sub, command in commands.items():
        yield f'    1:{sub}) words="{words(command)}" ;;'
    yield from (f'    *) words="{words(program)}" ;;', "  esac", "  COMPREPLY=()")
    yield "  # What is no option is a file."
    yield "  if [[ $current == -* || $COMP_CWORD == 1 ]]; then"
    yield from ('    COMPREPLY=($(compgen -W "$words" -- "$current"))', "  fi", "}")
    yield f"complete -o default -F {function} {name}"


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh(name, program, commands):
    def text_of(text):
        return re.sub(r"([\[\]:\\])", r"\\\1", text)

    def arguments(command, rest):
        specs = [quoted(f"{option}{'=' if value else ''}[{text_of(text)}]{':value:_files' if value else ''}") for option, value, text in command.options]
        return " \\\n      ".join(["_arguments", *specs, *rest])

    yield f"#compdef {name}"
    if not commands:
        yield arguments(program, [])
        return
    yield "case $((CURRENT > 2)):$words[2] in"
    for sub, command in commands.items():
        yield f"  1:{sub})\n    shift words; (( CURRENT-- ))\n    {arguments(command, [quoted('*:file:_files')])}\n    ;;"
    subcommands = " ".join(f'{sub}\\:"{text_of(text)}"' for sub, text in program.subcommands)
    yield f"  *)\n    {arguments(program, [quoted(f'1:command:(({subcommands}))')])}\n    ;;\nesac"


def fish(name, program, commands):
    def options(command, condition):
        for option, value, text in command.options:
            yield f"complete -c {name}{condition} -l {option.removeprefix('--')}{' -r' if value else ''} -d {fish_quoted(text)}"

    if not commands:
        yield from options(program, "")
        return
    yield from options(program, " -n __fish_use_subcommand")
    for sub, text in program.subcommands:
        yield f"complete -c {name} -n __fish_use_subcommand -f -a {sub} -d {fish_quoted(text)}"
        yield from options(commands[sub], f" -n '__fish_seen_subcommand_from {sub}'")


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main():
    share = pathlib.Path(sys.argv[1])
    for path in map(pathlib.Path, sys.argv[2:]):
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        program = ask(path)
        commands = {sub: ask(path, sub) for sub, _ in program.subcommands}
        for file, lines in {
            f"man/man1/{path.name}.1": manual(path.name, version, program, commands),
            f"bash-completion/completions/{path.name}": bash(path.name, program, commands),
            f"zsh/site-functions/_{path.name}": zsh(path.name, program, commands),
            f"fish/vendor_completions.d/{path.name}.fish": fish(path.name, program, commands),
        }.items():
            (share / file).parent.mkdir(parents=True, exist_ok=True)
            (share / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
