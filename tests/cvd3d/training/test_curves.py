from PIL import Image

from cvd3d.training.curves import draw_curve


def test_a_curve_is_drawn_over_the_steps_and_nothing_without_a_log(tmp_path):
    draw_curve(tmp_path / "none.csv", tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "pairs.csv").write_text("step,seconds,loss\n20,1.5,0.9\n40,3.0,0.5\n")
    draw_curve(tmp_path / "pairs.csv", tmp_path / "pairs.png")
    with Image.open(tmp_path / "pairs.png") as picture:
        assert min(picture.size) > 300 and len(picture.convert("RGB").getcolors(2**24)) > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.csv", "pairs.png"]
