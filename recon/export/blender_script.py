"""A scene of cvd3d for Blender 4.2 and later: its cameras, what they saw, and its points.

Open this file in Blender's text editor and press Run Script, or run `blender --python` with it. The cameras' images are
unpacked into a folder beside the saved .blend file, or into a temporary one.
"""

import array
import base64
import json
import tempfile
import zlib
from pathlib import Path

import bpy
from mathutils import Matrix

SENSOR = 36.0  # millimeters


def main():
    scene, content = bpy.context.scene, json.loads(zlib.decompress(base64.b64decode(SCENE)))
    collection = bpy.data.collections.new(content["title"])
    scene.collection.children.link(collection)
    set_up_rendering(scene, content)
    if bpy.data.filepath:
        folder = Path(bpy.data.filepath).parent / (content["title"] + "_images")
    else:
        folder = Path(tempfile.mkdtemp(prefix=content["title"] + "_"))
    for camera in content["cameras"]:
        shown = add_camera(collection, camera, content)
        add_background(shown, camera, folder / camera["name"])
    scene.camera = collection.objects[0]
    add_points(collection, content["points"])


def set_up_rendering(scene, content):
    fx, fy = content["cameras"][0]["lens"][0][:2]
    scene.render.resolution_x, scene.render.resolution_y = content["width"], content["height"]
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = max(fy / fx, 1.0), max(fx / fy, 1.0)
    scene.render.fps, scene.render.fps_base = content["fps"]
    scene.frame_start, scene.frame_end = 1, max(len(camera["poses"]) for camera in content["cameras"])
    scene.frame_set(1)


def add_camera(collection, camera, content):
    """One camera, with keyframes where it moves; frame 1 is its first image."""
    data = bpy.data.cameras.new(camera["name"])
    data.sensor_fit, data.sensor_width, data.display_size = "HORIZONTAL", SENSOR, 0.3
    shown = bpy.data.objects.new(camera["name"], data)
    shown.rotation_mode = "QUATERNION"
    collection.objects.link(shown)
    width, height = content["width"], content["height"]
    before = None
    for frame, (pose, (fx, fy, cx, cy)) in enumerate(zip(camera["poses"], camera["lens"]), 1):
        shown.location, rotation, _ = Matrix(pose).decompose()
        if before is not None:
            rotation.make_compatible(before)  # the short way round between keyframes
        shown.rotation_quaternion = before = rotation
        data.lens = fx * SENSOR / width
        data.shift_x, data.shift_y = (width / 2 - cx) / width, (cy - height / 2) / width * fx / fy
        if len(camera["poses"]) > 1:
            for path in ("location", "rotation_quaternion"):
                shown.keyframe_insert(path, frame=frame)
            for path in ("lens", "shift_x", "shift_y"):
                data.keyframe_insert(path, frame=frame)
    return shown


def add_background(shown, camera, folder):
    """What the camera saw, behind what it sees now."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame, image in enumerate(camera["images"], 1):
        (folder / f"{frame:05d}.jpg").write_bytes(base64.b64decode(image))
    background = shown.data.background_images.new()
    background.image = bpy.data.images.load(str(folder / "00001.jpg"))
    background.image.name = camera["name"]
    background.alpha = 0.8
    shown.data.show_background_images = True
    if len(camera["images"]) == 1:
        background.image.pack()
    else:
        background.image.source = "SEQUENCE"
        user = background.image_user
        user.frame_start, user.frame_duration, user.use_auto_refresh = 1, len(camera["images"]), True


def add_points(collection, points):
    """The points as a mesh of vertices, with their colors in the attribute "color"."""
    if not points["count"]:
        return
    positions, colors = array.array("f"), array.array("f")
    positions.frombytes(base64.b64decode(points["positions"]))
    colors.frombytes(base64.b64decode(points["colors"]))
    mesh = bpy.data.meshes.new("points")
    mesh.vertices.add(points["count"])
    mesh.vertices.foreach_set("co", positions)
    mesh.attributes.new("color", "FLOAT_COLOR", "POINT").data.foreach_set("color", colors)
    mesh.update()
    collection.objects.link(bpy.data.objects.new("points", mesh))


SCENE = """"""

main()
