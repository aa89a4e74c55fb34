from cvd3d.training import log
from cvd3d.training.log import Log


def test_a_line_is_the_mean_of_its_steps_and_a_resumed_log_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 2)
    path = tmp_path / "states" / "stage.csv"
    first = Log(path)
    for step, loss in enumerate([1.0, 2.0, 5.0]):
        first.add(step, loss=loss, psnr=10 * loss)
    second = Log(path)
    for step, loss in enumerate([0.5, 0.25], start=2):
        second.add(step, loss=loss, psnr=0.0)
    header, *lines = [line.split(",") for line in path.read_text().splitlines()]
    assert header == ["step", "seconds", "loss", "psnr"]
    assert [(line[0], line[2], line[3]) for line in lines] == [("2", "1.5", "15"), ("4", "0.375", "0")]
