"""`cvd3d completion`: complete commands, options and their values in a shell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

FILES = {
    "bash": Path(".local/share/bash-completion/completions/cvd3d"),
    "zsh": Path(".zfunc/_cvd3d"),
    "fish": Path(".config/fish/completions/cvd3d.fish"),
}
"""Where each shell looks for completions, in the home folder."""
HOW = {
    "bash": "Open a new shell. If nothing is completed, install bash-completion, or run: source {file}",
    "zsh": "Add this line to ~/.zshrc, and open a new shell: fpath+=(~/.zfunc) && autoload -Uz compinit && compinit",
    "fish": "Open a new shell.",
}


@dataclass(frozen=True)
class Completion:
    """Install the completion of commands, options and their values in a shell."""

    shell: Annotated[Positional[Literal["bash", "zsh", "fish"]], arg(metavar="bash|zsh|fish")]
    """The shell."""
    print: FlagCreatePairsOff[bool] = False
    """Print the script instead of installing it, as for: source <(cvd3d completion bash --print)"""

    def run(self) -> None:
        """Write the script where the shell looks for it."""
        import builtins

        from cvd3d.cli import completion_script
        from trajectories.files import write_text

        script = completion_script(self.shell)
        if self.print:
            builtins.print(script)
            return
        file = Path.home() / FILES[self.shell]
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, script)
        builtins.print(f"{file}: completion for {self.shell}. {HOW[self.shell].format(file=file)}")
