"""A procedural low-poly world: objects in their colors, grounds, skies and motions, with captions and exact cameras.

It trains the small default model. `scenes.sample_world` draws a `World`, `captions.caption` says it in words, and
`render.render` shows it to any `trajectories.Cameras`.
"""
