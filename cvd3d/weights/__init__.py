"""The released weights, as a user meets them: what is needed, what is on this disk, and one model folder made of it.

`default/` holds the model that comes with cvd3d.
"""
