"""The `cvd3d` command: parses the options, runs one command, and reports errors in one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

import tyro

from cvd3d.bad_options import sentence, unknown_command
from cvd3d.commands.clean import Clean
from cvd3d.commands.compare import Compare
from cvd3d.commands.completion import Completion
from cvd3d.commands.eval import Eval
from cvd3d.commands.export import Export
from cvd3d.commands.fit import Fit
from cvd3d.commands.info import Info
from cvd3d.commands.plan import Plan
from cvd3d.commands.render import Render
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
    "render": Render,
    "info": Info,
    "clean": Clean,
    "compare": Compare,
    "train": Train,
    "train-pairs": TrainPairs,
    "eval": Eval,
    "weights": Weights,
    "completion": Completion,
}
DESCRIPTION = "3D scenes from a text prompt or a posed capture. --version prints the versions and the GPU."
UNWRAPPED = "100000"  # columns
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
    if not args:
        args = ["--help"]
    if args[0] == "--version":
        from cvd3d.versions import version_line

        print(version_line())
        sys.exit(0)
    if not args[0].startswith("-") and args[0] not in COMMANDS:
        _refuse(unknown_command(args[0], COMMANDS))
    command = _checked(args)
    if isinstance(command, Scene) and command.like is not None:
        command = _checked([args[0], *_like(command), *args[1:]])
    return command


def _checked(args: Sequence[str]) -> Any:
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return _from_words(args)
    except SystemExit as exit_:
        if exit_.code:
            _refuse(sentence(_message(args), args))
        raise


def _from_words(args: Sequence[str]) -> Any:
    return tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="cvd3d", description=DESCRIPTION, args=args)


def _like(command: Scene) -> list[str]:
    from cvd3d.commands.like import words_like
    from trajectories.errors import InputError

    try:
        return words_like(command)
    except InputError as fault:
        _refuse(str(fault))


def completion_script(shell: str) -> str:
    """The script that completes the command in bash, zsh or fish."""
    script = io.StringIO()
    with contextlib.redirect_stdout(script), contextlib.suppress(SystemExit):
        _from_words(["--tyro-print-completion", shell])
    return script.getvalue()


def _message(args: Sequence[str]) -> str:
    """What tyro prints about arguments that it refuses, without wrapped lines."""
    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), UNWRAPPED
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message), contextlib.suppress(SystemExit):
            _from_words(args)
    finally:
        del os.environ["COLUMNS"]
        if width is not None:
            os.environ["COLUMNS"] = width
    return message.getvalue()


def _refuse(words: str) -> NoReturn:
    if not helpers.is_helper():  # the leader has the same arguments and reports the error
        _report(words)
    sys.exit(BAD_INPUT)


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
