"""Keys, logins and guesses: who may come in. Knows nothing of requests."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rag.errors import RagError

# Seconds.
LOGIN_LIFE = 30 * 86400
FORGOTTEN = 15 * 60
# Wrong keys before the first delay: people mistype.
FREE = 5
# The delay grows from a second to about a minute.
DOUBLINGS = 6
# However many come, the memory stays small: the oldest are let go.
MOST_LOGINS = 10_000
MOST_ADDRESSES = 4_096

Clock = Callable[[], float]


def digest_of(text: str) -> bytes:
    """What is kept of a key or a token in place of it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Guard:
    """The keys of a server, of which it holds only digests, and who has logged in. Without keys, all may come in."""

    def __init__(self, keys: Iterable[str], clock: Clock = time.monotonic) -> None:
        self._keys = [digest_of(key) for key in keys]
        self._attempts = Attempts(clock)
        self._clock = clock
        # Digest of a token and when it ends, the oldest first.
        self._logins: OrderedDict[bytes, float] = OrderedDict()

    @property
    def is_needed(self) -> bool:
        return bool(self._keys)

    def check(self, key: str, address: str) -> None:
        """Raises `RagError` AUTH-002 for a wrong key, and RATE-002 without a look after too many of them."""
        digest = digest_of(key)
        self._attempts.check(address)
        # All are compared, so that the time tells nothing.
        found = [hmac.compare_digest(digest, known) for known in self._keys]
        if not any(found):
            self._attempts.add(address, digest)
            raise RagError("AUTH-002")

    def log_in(self) -> str:
        """A new token, which counts for `LOGIN_LIFE` and as long as the process lives."""
        token = secrets.token_urlsafe(32)
        self._logins[digest_of(token)] = self._clock() + LOGIN_LIFE
        while len(self._logins) > MOST_LOGINS:
            self._logins.popitem(last=False)
        return token

    def has_login(self, token: str) -> bool:
        return self._logins.get(digest_of(token), -math.inf) > self._clock()

    def log_out(self, token: str) -> None:
        self._logins.pop(digest_of(token), None)


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    until: float = 0.0
    last: float = 0.0
    # A program that goes on sending one wrong key is not guessing.
    seen: deque[bytes] = field(default_factory=lambda: deque(maxlen=4))


class Attempts:
    """Wrong keys by address: from `FREE` on, each makes the wait twice as long, `DOUBLINGS` times."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def check(self, address: str) -> None:
        """Raises `RagError` RATE-002 while the address has to wait."""
        record = self._records.get(network_of(address))
        left = record.until - self._clock() if record else 0.0
        if left > 0:
            raise RagError("RATE-002", seconds=math.ceil(left))

    def add(self, address: str, digest: bytes) -> None:
        """A wrong key came from there."""
        now, network = self._clock(), network_of(address)
        record = self._records.pop(network, None)
        if record is None or now - record.last > FORGOTTEN:
            record = _Record()
        self._records[network] = record
        record.last = now
        if digest not in record.seen:
            record.seen.append(digest)
            record.wrong += 1
            if record.wrong >= FREE:
                record.until = now + 2.0 ** min(record.wrong - FREE, DOUBLINGS)
        while len(self._records) > MOST_ADDRESSES:
            self._records.popitem(last=False)


def network_of(address: str) -> str:
    """What one client can choose from: with IPv6, that is a whole network of addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
