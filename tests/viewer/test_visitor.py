from contextlib import closing

import numpy as np
import pytest

from trajectories.rigs import make_rig
from viewer.app import SceneViewer
from viewer.layers import ROOTS

from .conftest import wait_until


@pytest.fixture
def viewer(gray_frames):
    with closing(SceneViewer(port=0, heading="a <red> cube")) as viewer:
        viewer.show_rig(make_rig("circle", 3, 5), gray_frames)
        yield viewer


def eye(browser):
    return browser.visitor.client.camera.position


def test_the_page_opens_in_the_middle_and_swings_until_the_first_touch(viewer, browse):
    rig = viewer.cameras.rig
    with browse(viewer) as browser:
        visit = browser.visitor.visit
        assert visit.swings and viewer.clock.frame == 2 and viewer.cameras.middle == visit.standpoint
        opening = viewer.cameras.opening(1.5)
        np.testing.assert_allclose(opening.eye, rig.cameras.centers[viewer.cameras.middle, 2])
        browser.look_from(opening.swung(1.0).eye)  # what a page reports while it swings
        browser.look_from(opening.eye)
        wait_until(lambda: visit._stands)
        assert visit.swings
        browser.look_from((5.0, 5.0, 5.0))
        wait_until(lambda: not visit.swings)
        assert visit.standpoint is None
        browser.press("R")
        wait_until(lambda: visit.swings)
        browser.press("space")
        wait_until(lambda: not visit.swings)
        assert visit.standpoint == viewer.cameras.middle  # its frustum stays hidden


def test_a_camera_is_looked_through_and_followed_until_the_mouse_moves_away(viewer, browse):
    rig = viewer.cameras.rig
    with browse(viewer) as browser:
        browser.press("3")
        wait_until(lambda: browser.visitor.visit.view == 2)
        wait_until(lambda: rig.names[2] in browser.visitor._overlay.content)
        assert 'class="frame"' in browser.visitor._overlay.content
        viewer.clock.seek(4)
        wait_until(lambda: np.allclose(eye(browser), rig.cameras.centers[2, 4]))
        browser.look_from(rig.cameras.centers[2, 2])  # a late report of where the page stood before
        browser.set(browser.visitor.follow, False)
        wait_until(lambda: not browser.visitor.visit.follow)
        assert browser.visitor.visit.view == 2
        viewer.clock.seek(0)
        wait_until(lambda: viewer.cameras.frame == 0)
        assert not np.allclose(eye(browser), rig.cameras.centers[2, 0])
        browser.look_from((0.0, -2.0, 1.5))
        wait_until(lambda: browser.visitor.visit.view is None)
        wait_until(lambda: 'class="frame"' not in browser.visitor._overlay.content)
        assert "a &lt;red&gt; cube" in browser.visitor._overlay.content


def test_quick_clicks_are_done_in_their_order(viewer, browse):
    with browse(viewer) as browser:
        for click in range(30):
            browser.set(browser.visitor.views, viewer.cameras.rig.names[click % 2])
            browser.press("space")
        browser.set(browser.visitor.views, viewer.cameras.rig.names[1])
        browser.press("O")
        browser.press("3")
        wait_until(lambda: browser.visitor.visit.view == 2)
        assert not viewer.clock.playback.playing  # after an even number of presses


def test_keys_step_and_restore_what_the_arrow_turned(viewer, browse):
    with browse(viewer) as browser:
        browser.press("1")
        wait_until(lambda: browser.visitor.visit.view == 0)
        browser.press("arrowright")
        browser.press("arrowright")
        browser.press("arrowleft")
        wait_until(lambda: viewer.clock.frame == 3)
        browser.look_from((0.3, -4.0, 1.0))  # viser has turned the camera
        wait_until(lambda: np.allclose(eye(browser), viewer.cameras.rig.cameras.centers[0, 3]))
        assert browser.visitor.visit.view == 0
        browser.press("R")
        wait_until(lambda: browser.visitor.visit.swings)
        browser.press("F")
        wait_until(lambda: browser.visitor.follow.value is False)


def test_visitors_do_not_share_checkboxes_and_viewpoints(viewer, browse):
    with browse(viewer) as one, browse(viewer) as other:
        one.set(one.visitor.boxes["Cameras"], False)
        one.press("2")
        wait_until(lambda: one.visitor.visit.view == 1 and one.visitor._visibility.decides(ROOTS["Cameras"]))
        assert other.visitor.boxes["Cameras"].value is True and other.visitor.visit.view is None
        assert not other.visitor._visibility.decides(ROOTS["Cameras"])
        assert viewer.layers.shown["Cameras"]
    wait_until(lambda: not viewer.visitors)


def test_the_scene_fades_away_from_the_cameras(viewer, browse):
    with browse(viewer) as browser:
        visit = browser.visitor.visit
        browser.press("1")
        wait_until(lambda: visit.view == 0)
        browser.look_from(viewer.cameras.rig.cameras.centers[0, 2])
        browser.look_from((0.0, 4.5, 1.0))  # behind the subject
        wait_until(lambda: visit.fade > 0.7)
        wait_until(lambda: "N goes back" in browser.visitor._overlay.content)
        browser.set(browser.visitor.stay, False)
        wait_until(lambda: "N goes back" not in browser.visitor._overlay.content)
        browser.press("N")
        wait_until(lambda: visit.view is not None)
        browser.press("O")
        wait_until(lambda: visit.view is None)
        assert visit.fade == 0  # the overview was asked for
