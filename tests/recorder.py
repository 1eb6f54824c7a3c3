"""Two recorders of what a program wants from the network: its system calls, and the packets that leave a namespace.

The first is `strace`. The second is a network namespace whose only way out is an interface that this process reads:
whatever is sent there is written down and goes nowhere. Linux alone; needs no rights beyond a namespace of one's own.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

# From <linux/sockios.h>, <linux/if.h>, <linux/if_tun.h>, <sys/mount.h>.
SIOCADDRT, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x890B, 0x8913, 0x8914, 0x8916
IFF_UP, RTF_UP = 1, 1
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
MS_BIND = 4096
# What the kernel itself says on an interface of IPv6 that comes up.
HOP_BY_HOP, ICMPV6 = 0, 58
NAME_SERVER = "192.0.2.53"

# Every call that names another end, or takes a name of one; sockets and pipes that are there already only carry on.
CALLS = "socket,connect,bind,sendto,sendmsg,sendmmsg"
# With -D the tracer is not the parent: who starts the program can signal it and has its exit status.
STRACE = ("strace", "-D", "-f", "--seccomp-bpf", "-s", "256", "-e", f"trace={CALLS}", "-o")

_CALL = re.compile(rf"^(?:\[pid +)?(?P<pid>\d+)?\]?\s*(?P<call>{CALLS.replace(',', '|')})\((?P<rest>.*)")
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
_NUMBERED = re.compile(r'inet_addr\("([\d.]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_PATH = re.compile(r'sun_path=@?"([^"]*)"')
# Programs of this machine that look names up for others.
_RESOLVERS = ("resolve", "avahi", "mdns")


def foreign(lines: Iterable[str]) -> Iterator[str]:
    """The calls of a log of `STRACE` that reach, or try to reach, anything but this machine, and look-ups of names."""
    for line in lines:
        found = _CALL.match(line)
        if not found or found["call"] == "bind":
            continue
        if _is_foreign(found["call"], found["rest"]):
            yield line.strip()


def _is_foreign(call: str, rest: str) -> bool:
    if call == "socket":
        # Neither raw packets nor those of the wire need an address.
        return rest.startswith(("AF_PACKET", "AF_BLUETOOTH")) or ("SOCK_RAW" in rest and "AF_NETLINK" not in rest)
    numbered, port, path, family = _NUMBERED.findall(rest), _PORT.search(rest), _PATH.search(rest), _FAMILY.search(rest)
    if numbered:
        away = any(not ipaddress.ip_address(four or six).is_loopback for four, six in numbered)
        return away or (port is not None and port[1] == "53")
    if path:
        return any(name in path[1] for name in _RESOLVERS)
    return family is not None and family[1] not in ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC")


class Wire:
    """The only way out of the namespace of this process. `packets`: what each was that was sent there."""

    def __init__(self) -> None:
        self.packets: list[str] = []
        self._end = threading.Event()
        self._device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self._device, TUNSETIFF, struct.pack("16sH", b"out", IFF_TUN | IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16s16s", b"out", _address("198.18.0.1")))
            bring_up("out")
            name, everywhere = ctypes.create_string_buffer(b"out"), _address("0.0.0.0")
            # struct rtentry: destination, gateway and mask are zero, so it is the way to everywhere.
            route = struct.pack(
                "@L16s16s16sHhLPhPLLH", 0, *(everywhere,) * 3, RTF_UP, 0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0
            )
            fcntl.ioctl(any_socket, SIOCADDRT, route)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        os.close(self._device)

    def _read(self) -> None:
        while not self._end.is_set() or select.select([self._device], [], [], 0)[0]:
            if select.select([self._device], [], [], 0.05)[0]:
                packet = os.read(self._device, 65536)
                if packet[0] >> 4 == 4:
                    self._note(packet[16:20], packet[4 * (packet[0] & 15) :])
                elif packet[6] not in (HOP_BY_HOP, ICMPV6):
                    self._note(packet[24:40], packet[40:])

    def _note(self, address: bytes, inside: bytes) -> None:
        """Where it goes, and the name that is looked up where it is a question for one."""
        port = int.from_bytes(inside[2:4], "big")
        # Behind the heads of UDP and DNS.
        asked = b" " + inside[20:].partition(b"\0")[0] if port == 53 else b""
        said = "".join(chr(byte) if chr(byte).isalnum() or byte in b" -" else "." for byte in asked)
        self.packets.append(f"{ipaddress.ip_address(address)}:{port}{said}")


def bring_up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh", interface.encode(), 0)
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", interface.encode(), flags | IFF_UP))


def ask_names_outside(folder: Path) -> None:
    """In a mount namespace of one's own: names are looked up at `NAME_SERVER`, which lies beyond the way out."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:1\n")
    libc = ctypes.CDLL(None, use_errno=True)
    target = os.path.realpath("/etc/resolv.conf")
    if libc.mount(bytes(file), target.encode(), None, MS_BIND, None):
        raise OSError(ctypes.get_errno(), "mount", target)


def _address(text: str) -> bytes:
    return struct.pack("HH4s8s", socket.AF_INET, 0, socket.inet_aton(text), b"")
