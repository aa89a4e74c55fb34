"""The released weights: which are needed, which are registered, and their conversion to one model folder.

`default/` contains the model that comes with cvd3d.
"""
