"""The live page of a scene: splats, cameras, videos and one clock; `viewer.app.open_scene` opens it."""
