"""Which of this host's networks leads to another host.

>>> interface("10.0.0.7")
'eth1'
"""

from __future__ import annotations

import socket
import struct
import sys

_GET_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


def interface(address: str) -> str:
    """The network interface over which this host reaches that address; "" where it cannot be told.

    gloo by itself takes the one that the host's own name resolves to, which is often the loopback's.
    """
    if sys.platform != "linux":
        return ""
    import fcntl

    local = ("127.", "localhost")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect((address, 9))  # sends nothing: only the route is looked up
            own = s.getsockname()[0]
        except OSError:  # no such name, or no route: the meeting itself will say so
            return ""
        if own.startswith(local[0]) and not address.startswith(local):
            return ""  # on the first host its own name may stand for the loopback, which no other host reaches
        for _, name in socket.if_nameindex():
            try:
                asked = fcntl.ioctl(s.fileno(), _GET_ADDRESS, struct.pack("256s", name.encode()))
            except OSError:  # it has no address
                continue
            if socket.inet_ntoa(asked[20:24]) == own:
                return name
    return ""
