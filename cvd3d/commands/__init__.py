"""One module a command: a dataclass whose fields are the options, and `run`.

The modules import nothing but tyro, so that `--help` answers at once; `run` loads the rest.
"""
