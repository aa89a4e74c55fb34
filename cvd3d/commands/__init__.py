"""The commands: one module each, with a dataclass whose fields are the options, and `run`.

The modules import only tyro, so that `--help` is fast; `run` imports the rest.
"""
