"""The `cvd3d` command: parses the options, runs one command, and reports errors in one sentence."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import tyro

from cvd3d.commands.eval import Eval
from cvd3d.commands.export import Export
from cvd3d.commands.fit import Fit
from cvd3d.commands.plan import Plan
from cvd3d.commands.sample import Sample
from cvd3d.commands.scene import Scene
from cvd3d.commands.train import Train
from cvd3d.commands.train_pairs import TrainPairs
from cvd3d.commands.view import View
from cvd3d.commands.weights import Weights
from cvd3d.commands.world import RenderWorld
from cvd3d.sampling import helpers

COMMANDS: dict[str, Callable[..., Any]] = {
    "scene": Scene,
    "plan": Plan,
    "sample": Sample,
    "world": RenderWorld,
    "fit": Fit,
    "export": Export,
    "view": View,
    "train": Train,
    "train-pairs": TrainPairs,
    "eval": Eval,
    "weights": Weights,
}
BAD_INPUT, INTERRUPTED = 2, 130


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        args: the arguments after `cvd3d`; by default those of the process.

    Raises:
        SystemExit: status 2 after bad input, 130 after Ctrl-C.
    """
    command = _parse(sys.argv[1:] if args is None else args)
    samples = isinstance(command, Sample) or (isinstance(command, Scene) and command.from_ is None)
    if helpers.is_helper() and not isinstance(command, Train | TrainPairs):
        if samples:
            helpers.help_leader()
        return
    status = 1  # exit status after an uncaught exception
    try:
        status = _run(command)
    finally:
        # The helper processes receive Ctrl-C themselves.
        if samples and status != INTERRUPTED:
            helpers.dismiss(status)
    if status:
        sys.exit(status)


def _run(command: Any) -> int:
    """Run a command and report user errors.

    Returns:
        The exit status.
    """
    from trajectories.errors import InputError
    from trajectories.files import unwritable

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            command.run()
    except InputError as fault:
        return _report(str(fault))
    except OSError as fault:
        if sentence := unwritable(fault, fault.filename):
            return _report(str(sentence))
        raise
    except KeyboardInterrupt:
        print("\ncvd3d: stopped; the same command continues where it stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parse(args: Sequence[str]) -> Any:
    """The selected command with its options."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="cvd3d",
                description="3D scenes from a text prompt or a posed capture.",
                args=args,
            )
    except SystemExit as exit_:
        if exit_.code:
            if not helpers.is_helper():  # the leader has the same arguments and reports the error
                _report(f"{_sentence(errors.getvalue())} (see cvd3d --help)")
            sys.exit(BAD_INPUT)
        raise


def _sentence(box: str) -> str:
    """The first paragraph of tyro's boxed message, as one line; the box may have colors and UTF-8 lines or not."""
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line).strip("│ ") for line in box.strip().splitlines()]
    rules = [i for i, line in enumerate(lines) if line and not line.strip("─-╭╮╰╯ ")]
    lines = lines[1:] if lines[0].startswith("╭") else lines[rules[0] + 1 :] if rules else lines
    paragraph = itertools.takewhile(lambda line: line.strip("─-╭╮╰╯ "), lines)
    return " ".join(" ".join(paragraph).split()).replace("{None}|", "").rstrip(".")


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a UserWarning as one sentence; other warnings keep Python's format."""
    for_user = category is UserWarning
    sys.stderr.write(
        f"cvd3d: warning: {message}\n" if for_user else warnings.formatwarning(message, category, filename, lineno)
    )


def _report(sentence: str) -> int:
    print(f"cvd3d: error: {sentence}", file=sys.stderr)
    return BAD_INPUT
