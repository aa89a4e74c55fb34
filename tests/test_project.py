"""What the project says about itself agrees."""

import re
from pathlib import Path

import pytest

import cvd3d

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("pyproject.toml", r'^version = "(.+)"$'),
        ("CITATION.cff", r"^version: (.+)$"),
        ("CHANGELOG.md", r"^## (\d.+)$"),  # the newest release comes first
    ],
)
def test_the_version_is_the_same_everywhere(file, version):
    assert re.search(version, (ROOT / file).read_text(), re.MULTILINE).group(1) == cvd3d.__version__


@pytest.mark.parametrize("package", ["trajectories", "recon", "viewer", "cvd3d"])
def test_packages_are_typed(package):
    assert (ROOT / package / "py.typed").is_file()


def test_links_of_the_documents_are_files():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    for document in documents:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
