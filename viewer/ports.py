"""Find a free port for the server."""

from __future__ import annotations

import errno
import socket

from trajectories.errors import InputError

PORTS_TRIED = 50


def free_port(host: str, port: int) -> int:
    """The first port >= `port` that can be bound at `host`; 0 (any port) stays 0.

    Raises:
        InputError: the address cannot be used, or all tried ports are taken.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"The port is {port}; give one from 0 to 65535.")
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            return candidate
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InputError(
                    f"Cannot listen on {host}:{candidate} ({error.strerror}); give another address."
                ) from None
    raise InputError(f"The ports {port} to {port + PORTS_TRIED - 1} are all taken; give another.")
