"""Tells systemd how a service is, by the socket that it names; does nothing elsewhere."""

from __future__ import annotations

import os
import socket
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


def tell(*states: str) -> None:
    """Send states such as ``READY=1``. A socket that is not there is no error: the service works
    as well without.
    """
    address = os.environ.get(VARIABLE)
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):  # in the abstract namespace, which has no files
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto("\n".join(states).encode(), address)
        except OSError:
            return
