"""A procedural low-poly world of colored objects, grounds, skies and motions, with captions and exact cameras.

It provides the training data of the small default model. `scenes.sample_world` draws a `World`, `captions.caption`
describes it, and `render.render` renders it for any `trajectories.Cameras`.
"""
