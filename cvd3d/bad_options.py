"""What is wrong with the options of a command, in one sentence, from the boxed message that tyro prints."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

STYLE = re.compile(r"\x1b\[[\d;]*m")
FRAME = "─-╭╮╰╯+ "
UNKNOWN = re.compile(r"Unrecognized (?:or misplaced )?options: ?(.*)")
COMMANDS = re.compile(r"Available subcommands: (.*)")
CHOICE = re.compile(r"invalid choice '(?P<value>.*)' for argument '(?P<name>.+)'\. Expected one of \((?P<known>.*)\)")
VALUE = re.compile(r"Error parsing (?P<name>[^\s:]+): .* could be instantiated from \[(?P<values>.*)\]")
NO_VALUE = re.compile(r"Missing value for argument '(?P<name>.+)'")
MISSING = re.compile(r"Missing from (?P<command>.+):")


def unknown_command(word: str, known: Collection[str], before: str = "cvd3d") -> str:
    """The sentence for a command that does not exist; it names the nearest one."""
    near = difflib.get_close_matches(word, known, n=1)
    meant = f"did you mean {near[0]!r}? It has" if near else "it has"
    return f"'{before}' has no command {word!r}; {meant} {', '.join(known)}."


def sentence(box: str, args: Sequence[str]) -> str:
    """The sentence for a message of tyro.

    Args:
        box: the message without wrapped lines; it may have colors and UTF-8 lines or not.
        args: the arguments after `cvd3d`, which were refused.
    """
    command = "cvd3d" if args[0].startswith("-") else f"cvd3d {args[0]}"
    lines = [STYLE.sub("", line).strip("│| ") for line in box.strip().splitlines()]
    lines = [line for line in lines if line.strip(FRAME)]
    text = "\n".join(lines)
    if found := UNKNOWN.search(text):
        # A word that is an option elsewhere stands on a line of its own.
        first = found[1].split(", ")[0] or lines[lines.index(found[0].strip()) + 1].partition(" (applied to")[0]
        if (commands := COMMANDS.search(text)) and not first.startswith("-"):
            return unknown_command(first, commands[1].split(", "), before=command)
        near = _options_of(command, lines)
        meant = f"did you mean {' or '.join(near)}?" if near else f"see '{command} --help'."
        return f"'{command}' has no {'option' if first.startswith('-') else 'argument'} {first}; {meant}"
    if found := CHOICE.search(text):
        known = sorted(set(re.findall(r"'([^']*)'", found["known"])) - {"None"})
        near = difflib.get_close_matches(found["value"], known, n=1)
        meant = f"did you mean {near[0]!r}? It takes" if near else "it takes"
        return f"{found['name']} cannot be {found['value']!r}; {meant} {', '.join(known)}."
    if found := VALUE.search(text):
        # Its form, such as `--size W H`, is on the line below `Argument helptext:`.
        form = next((line for line in lines if line.startswith(f"{found['name']} ")), f"another {found['name']}")
        return f"{found['name']} cannot be {found['values'].replace(',', '')}; give {form}."
    if found := NO_VALUE.search(text):
        return f"{found['name']} needs a value; see '{command} --help'."
    if found := MISSING.search(text):
        needed = lines[lines.index(found[0]) + 1]
        return f"'{found['command']}' needs {needed}; see '{command} --help'."
    return f"{lines[0]} (see '{command} --help')"


def _options_of(command: str, lines: Sequence[str]) -> list[str]:
    """The options that tyro proposes and that the command has."""
    options, option = [], ""
    for line in lines:
        if line.startswith("--"):
            option = re.split(r"[\s,]", line)[0]
        elif line.startswith(f"in {command} ") and option not in options:
            options.append(option)
    return options
