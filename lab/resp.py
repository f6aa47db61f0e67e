"""Redis' wire protocol, as much of it as the lab speaks."""

import socket

__all__ = ["exchange"]


def exchange(connection: socket.socket, command: str) -> str:
    """Send one inline command and return its one-line reply; raises OSError where that is an error or none."""
    connection.sendall(f"{command}\r\n".encode())
    reply = b""
    while not reply.endswith(b"\r\n"):
        chunk = connection.recv(256)
        if not chunk:
            raise ConnectionResetError(f"redis closed the connection on {command!r}")
        reply += chunk
    if reply.startswith(b"-"):
        raise ConnectionAbortedError(f"redis answered {command!r} with {reply.decode().strip()}")
    return reply.decode().strip()
