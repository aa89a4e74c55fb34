"""The commands, code and links of the README work, and the commands of the pages for users."""

import re
import shlex
from pathlib import Path

import pytest

from cvd3d.cli import COMMANDS, _parse
from trajectories.rig_file import load_rig

ROOT = Path(__file__).parents[2]
README, COMMANDS_PAGE = (ROOT / "README.md").read_text(), (ROOT / "docs" / "commands.md").read_text()
PAGES = README + COMMANDS_PAGE + "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("tutorial", "prompts"))
LINES = [line.strip().partition("  #")[0].strip() for line in PAGES.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("cvd3d ")])
def test_every_command_parses(line):
    words = shlex.split(line)
    assert type(_parse(words[1:])) is COMMANDS[words[1]]


def test_every_command_is_in_a_table():
    assert set(re.findall(r"\| `cvd3d ([\w-]+)", README + COMMANDS_PAGE)) == set(COMMANDS)


def test_the_python_block_plans_a_rig(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(block, {})
    rig = load_rig("walk.json")
    assert (rig.views, rig.frames, rig.names) == (2, 16, ("low", "high"))
    assert rig.cameras.centers[1, 0, 2] == pytest.approx(2.2)


def test_the_files_that_it_links_to_are_there():
    links = set(re.findall(r"\]\(([\w./]+)\)", README))
    assert links and all((ROOT / link).exists() for link in links)
