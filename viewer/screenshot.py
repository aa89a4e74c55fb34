"""Screenshots of a page with headless Chromium, for the documentation and the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trajectories.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Software WebGL, which needs no graphics card and no display.
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
)
DRAWING = "() => [...document.querySelectorAll('canvas')].some((canvas) => canvas.width > 300 && canvas.height > 150)"

# viser's notice about software WebGL
CLOSE_NOTICES = "() => document.querySelectorAll('.mantine-Notification-closeButton').forEach((close) => close.click())"


def chromium_path() -> str:
    """The path of the Chromium executable.

    Raises:
        InputError: Chromium is not installed.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    raise InputError("A screenshot of the page needs Chromium; install it, on Debian with 'apt-get install chromium'.")


@contextmanager
def open_page(url: str, *, wait: float = 3.0, size: tuple[int, int] = (1280, 720)) -> Iterator[Page]:
    """Open a page in headless Chromium; yields it `wait` seconds after its first drawing.

    Raises:
        InputError: playwright or Chromium is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError(
            "A screenshot of the page needs playwright; install it with 'pip install playwright'."
        ) from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(url)
            page.wait_for_function(DRAWING, timeout=120_000)  # software rendering on a busy machine is slow
            page.wait_for_timeout(1000 * wait)
            page.evaluate(CLOSE_NOTICES)
            yield page
        finally:
            browser.close()


def screenshot(url: str, path: str | Path, wait: float = 3.0, size: tuple[int, int] = (1280, 720)) -> None:
    """Save a PNG of the page at `url`, `wait` seconds after its first drawing.

    Raises:
        InputError: playwright or Chromium is not installed.
    """
    with open_page(url, wait=wait, size=size) as page:
        page.screenshot(path=str(path), timeout=60_000)
