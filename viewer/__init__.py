"""The web viewer of a scene: splats, cameras and videos on one clock; `viewer.app.open_scene` opens it."""
