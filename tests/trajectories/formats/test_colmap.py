import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError
from trajectories.formats.colmap import ColmapModel, read_model, write_model

S = float(np.sqrt(0.5))
CAMERAS = "# a comment\n1 PINHOLE 160 90 100 110 80 45\n7 SIMPLE_PINHOLE 160 90 120 81 46\n"
# A quarter turn about x (w = x = sqrt 1/2), world-to-camera: camera y is world z, camera z is world -y.
IMAGES = f"# comments\n#\n1 {S} {S} 0 0 1 2 3 7 b photo.jpg\n10.5 20.5 -1 3 4 12\n2 1 0 0 0 0 0 4 1 a.jpg\n\n"
POINTS = "# comment\n12 1 2 3 255 128 0 0.5 1 0 2 0\n4 -1 -2 -3 1 2 3 0.1\n"


def text_model(folder, cameras=CAMERAS, images=IMAGES, points=POINTS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("cameras", cameras), ("images", images), ("points3D", points)):
        (folder / f"{name}.txt").write_text(content)
    return folder


def assert_by_hand(model):
    assert model.names == ("a.jpg", "b photo.jpg")
    np.testing.assert_array_equal(model.camera_ids, [1, 7])
    np.testing.assert_array_equal(model.cameras.K[0], [[100, 0, 80], [0, 110, 45], [0, 0, 1]])
    np.testing.assert_array_equal(model.cameras.K[1], [[120, 0, 81], [0, 120, 46], [0, 0, 1]])
    # a.jpg: no rotation, 4 m in front of the world's origin.
    np.testing.assert_allclose(model.cameras.c2w[0], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -4], [0, 0, 0, 1]])
    # b: w2c rotation [[1,0,0],[0,0,-1],[0,1,0]]; c2w is its transpose, the center -R^T (1, 2, 3) = (-1, -3, 2).
    expected = [[1, 0, 0, -1], [0, 0, 1, -3], [0, -1, 0, 2], [0, 0, 0, 1]]
    np.testing.assert_allclose(model.cameras.c2w[1], expected, atol=1e-15)
    np.testing.assert_array_equal(model.points, [[-1, -2, -3], [1, 2, 3]])
    np.testing.assert_array_equal(model.colors, [[1, 2, 3], [255, 128, 0]])
    assert model.colors.dtype == np.uint8


def test_text_by_hand(tmp_path):
    assert_by_hand(read_model(text_model(tmp_path)))


def test_binary_by_hand(tmp_path):
    """The same model in the layout of COLMAP's documentation, with features and tracks."""
    (tmp_path / "cameras.bin").write_bytes(
        struct.pack("<Q", 2)
        + struct.pack("<IiQQ4d", 1, 1, 160, 90, 100, 110, 80, 45)
        + struct.pack("<IiQQ3d", 7, 0, 160, 90, 120, 81, 46)
    )
    (tmp_path / "images.bin").write_bytes(
        struct.pack("<Q", 2)
        + struct.pack("<I7dI", 1, S, S, 0, 0, 1, 2, 3, 7)
        + b"b photo.jpg\0"
        + struct.pack("<Qddqddq", 2, 10.5, 20.5, -1, 3, 4, 12)
        + struct.pack("<I7dI", 2, 1, 0, 0, 0, 0, 0, 4, 1)
        + b"a.jpg\0"
        + struct.pack("<Q", 0)
    )
    (tmp_path / "points3D.bin").write_bytes(
        struct.pack("<Q", 2)
        + struct.pack("<Q3d3BdQ4I", 12, 1, 2, 3, 255, 128, 0, 0.5, 2, 1, 0, 2, 0)
        + struct.pack("<Q3d3BdQ", 4, -1, -2, -3, 1, 2, 3, 0.1, 0)
    )
    assert_by_hand(read_model(tmp_path))


@pytest.mark.parametrize("binary", [False, True])
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), points=st.integers(0, 4))
def test_round_trip(random_cameras, tmp_path_factory, binary, seed, n, points):
    rng = np.random.default_rng(seed)
    cameras = random_cameras(seed, n)
    names = tuple(f"photos/{i} ü.jpg" for i in range(n))
    colors = rng.integers(0, 256, (points, 3)).astype(np.uint8)
    model = ColmapModel(names, cameras, np.arange(n) + 3, rng.normal(size=(points, 3)), colors)
    folder = tmp_path_factory.mktemp("model")
    write_model(model, folder, binary=binary)
    back = read_model(folder)
    assert back.names == names
    np.testing.assert_allclose(back.cameras.c2w, cameras.c2w, atol=1e-9)
    np.testing.assert_array_equal(back.cameras.K, cameras.K)
    np.testing.assert_array_equal(back.camera_ids, model.camera_ids)
    np.testing.assert_array_equal(back.points, model.points)
    np.testing.assert_array_equal(back.colors, colors)


def test_images_with_equal_intrinsics_share_a_camera(tmp_path, random_cameras):
    lenses = random_cameras(0, 2).K
    cameras = random_cameras(1, 3)
    cameras = type(cameras)(cameras.c2w, lenses[[0, 1, 0]], cameras.width, cameras.height)
    write_model(ColmapModel(("a", "b", "c"), cameras), tmp_path)
    ids = read_model(tmp_path).camera_ids
    assert ids is not None and ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize("place", [".", "sparse/0", "sparse", "colmap/sparse/0"])
def test_the_model_is_found_in_subfolders(tmp_path, place):
    text_model(tmp_path / place)
    assert read_model(tmp_path).names == ("a.jpg", "b photo.jpg")


def test_points_are_optional(tmp_path):
    (text_model(tmp_path) / "points3D.txt").unlink()
    assert read_model(tmp_path).points.shape == (0, 3)


IMAGE = "2 1 0 0 0 0 0 4 1 a.jpg"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"cameras": "1 FOV 160 90 1 2 3 4 0.9\n"},
            "camera 1 has the unsupported model FOV; undistort with `colmap",
        ),
        ({"cameras": "1 PINHOLE 160 90 1 2 3\n"}, "cameras.txt, line 1: PINHOLE has 4 parameters, not 3"),
        ({"cameras": "1 PINHOLE 160\n"}, "cameras.txt, line 1: has 3 columns"),
        ({"cameras": "#\n1 PINHOLE wide 90 1 2 3 4\n"}, "cameras.txt, line 2: 'wide' is not a whole number"),
        ({"cameras": "1 PINHOLE 160 90 1 2 3 x\n"}, "cameras.txt, line 1: 'x' is not a number"),
        ({"cameras": "2 PINHOLE 160 90 1 2 3 4\n"}, "image 'a.jpg' refers to camera 1"),
        ({"cameras": "1 PINHOLE 160 90 0 2 3 4\n", "images": IMAGE}, "image 'a.jpg': the intrinsics"),
        ({"cameras": "1 OPENCV 160 90 9 9 8 4 0 0 0\n"}, "cameras.txt, line 1: OPENCV has 8 parameters, not 7"),
        ({"cameras": "1 RADIAL 160 90 9 80 45 0 nan\n"}, "cameras.txt, line 1: The lens distortion"),
        ({"cameras": "1 RADIAL 160 90 99 80 45 -900 0\n", "images": IMAGE}, "image 'a.jpg': the lens distortion"),
        ({"images": "# nothing\n"}, "holds no images"),
        ({"images": "2 1 0 0 0 0 0 4 1\n"}, "images.txt, line 1: has 9 columns"),
        ({"images": f"{IMAGE}\n{IMAGE}\n"}, "images.txt, line 2: not a line of features"),
        ({"images": IMAGE.replace(" 4 ", " four ")}, "images.txt, line 1: 'four' is not a number"),
        ({"images": IMAGE.replace(" 1 0 0 0 ", " 0 0 0 0 ")}, "image 'a.jpg' has no pose"),
        ({"images": IMAGE.replace(" 4 ", " nan ")}, "image 'a.jpg' has no pose"),
        ({"points": "1 2 3\n"}, "points3D.txt, line 1: has 3 columns"),
        ({"points": "1 x 2 3 4 5 6 0\n"}, "points3D.txt, line 1: 'x' is not a number"),
    ],
)
def test_text_errors_name_the_line(tmp_path, files, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        read_model(text_model(tmp_path, **files))
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_a_truncated_binary_file_is_reported(tmp_path, random_cameras, name):
    model = ColmapModel(("a", "b"), random_cameras(0, 2), None, np.ones((2, 3)), np.ones((2, 3), np.uint8))
    write_model(model, tmp_path)
    path = tmp_path / f"{name}.bin"
    whole = path.read_bytes()
    for size in (0, 4, 20, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"{name}.bin: ends after {size} bytes"):
            read_model(tmp_path)


def test_an_unsupported_binary_camera_model_is_reported(tmp_path, random_cameras):
    write_model(ColmapModel(("a",), random_cameras(0, 1)), tmp_path)
    for number, model in ((7, "FOV"), (10, "THIN_PRISM_FISHEYE"), (17, "EQUIRECTANGULAR"), (99, "number 99")):
        (tmp_path / "cameras.bin").write_bytes(struct.pack("<QIiQQ", 1, 1, number, 160, 90) + bytes(96))
        with pytest.raises(InputError, match=f"unsupported model {model};"):
            read_model(tmp_path)


DISTORTED = {
    "SIMPLE_RADIAL": (2, [100, 82, 43, 0.1]),
    "RADIAL": (3, [100, 82, 43, -0.2, 0.05]),
    "OPENCV": (4, [100, 110, 82, 43, -0.2, 0.03, 0.002, -0.003]),
    "OPENCV_FISHEYE": (5, [70, 75, 82, 43, 0.05, -0.01, 0.004, -0.002]),
    "FULL_OPENCV": (6, [100, 110, 82, 43, -0.3, 0.1, 0.002, -0.003, 0.02, 0.05, -0.01, 0.004]),
    "SIMPLE_RADIAL_FISHEYE": (8, [70, 82, 43, 0.05]),
    "RADIAL_FISHEYE": (9, [70, 82, 43, 0.05, -0.02]),
    "SIMPLE_FISHEYE": (14, [70, 82, 43]),
    "FISHEYE": (15, [70, 75, 82, 43]),
}


def distorted_model(folder, model, binary):
    number, parameters = DISTORTED[model]
    text_model(folder, f"1 {model} 160 90 {' '.join(map(str, parameters))}\n", "2 1 0 0 0 0 0 4 1 a.jpg\n\n")
    if binary:
        values = struct.pack(f"<{len(parameters)}d", *parameters)
        (folder / "cameras.bin").write_bytes(struct.pack("<QIiQQ", 1, 1, number, 160, 90) + values)
        pose = struct.pack("<I7dI", 2, 1, 0, 0, 0, 0, 0, 4, 1)
        (folder / "images.bin").write_bytes(struct.pack("<Q", 1) + pose + b"a.jpg\0" + struct.pack("<Q", 0))
    return read_model(folder)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("model", DISTORTED)
def test_lens_projection_agrees_with_colmap(tmp_path, model, binary):
    pycolmap = pytest.importorskip("pycolmap")
    try:
        theirs = pycolmap.Camera(model=model, width=160, height=90, params=DISTORTED[model][1])
    except ValueError:
        pytest.skip(f"this pycolmap does not know {model}")
    read = distorted_model(tmp_path, model, binary)
    assert read.lenses is not None and not read.lenses[0].is_pinhole
    rays = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))
    pixels = [theirs.img_from_cam(np.array([*ray, 1.0])) for ray in rays]
    np.testing.assert_allclose(read.lenses[0].project(rays), pixels, atol=1e-9)
    np.testing.assert_array_equal(read.cameras.K[0], read.lenses[0].undistorted_K)


def test_a_distorted_model_is_written_as_pinholes(tmp_path):
    read = distorted_model(tmp_path, "OPENCV", False)
    write_model(read, tmp_path / "again")
    again = read_model(tmp_path / "again")
    np.testing.assert_array_equal(again.cameras.K, read.cameras.K)
    assert again.lenses is not None and again.lenses[0].is_pinhole


def test_images_of_several_sizes_get_cameras_of_one_size(tmp_path):
    text_model(tmp_path, CAMERAS.replace("7 SIMPLE_PINHOLE 160 90", "7 SIMPLE_PINHOLE 320 90"))
    model = read_model(tmp_path)
    assert (model.cameras.width, model.cameras.height) == (160, 90)
    np.testing.assert_array_equal(model.cameras.K[1], [[60, 0, 40.5], [0, 120, 46], [0, 0, 1]])
    assert model.lenses is not None and model.lenses[1].size == (320, 90)


def test_missing_models_and_files(tmp_path):
    with pytest.raises(InputError, match="no COLMAP model here"):
        read_model(tmp_path)
    text_model(tmp_path)
    (tmp_path / "cameras.txt").unlink()
    with pytest.raises(InputError, match=r"cameras\.txt: there is no such file"):
        read_model(tmp_path)


def test_invalid_models_are_not_written(tmp_path, random_cameras):
    with pytest.raises(InputError, match="camera 1 have several intrinsics"):
        write_model(ColmapModel(("a", "b"), random_cameras(0, 2), np.array([1, 1])), tmp_path)
    with pytest.raises(InputError, match="image name"):
        write_model(ColmapModel(("a\nb",), random_cameras(0, 1)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="for 1 images"):
        ColmapModel(("a",), random_cameras(0, 2))
    with pytest.raises(InputError, match="0 lenses for 1 images"):
        ColmapModel(("a",), random_cameras(0, 1), lenses=())
    with pytest.raises(InputError, match="Points of shape"):
        ColmapModel(("a",), random_cameras(0, 1), None, np.ones((2, 3)), np.ones((1, 3), np.uint8))
