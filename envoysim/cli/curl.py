"""A request written the way curl takes it: URL, -X, -H, -d, --resolve, --http2, ..."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import OptionError, RequestError
from ..lazy_dataclass import dataclass

DEFAULT_PORTS = {"http": 80, "https": 443}
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

MEANINGLESS: dict[str, str] = {
    "-k": "certificates are not verified by the simulated client",
    "--insecure": "certificates are not verified by the simulated client",
    "-s": "there is no progress meter to silence",
    "--silent": "there is no progress meter to silence",
    "-S": "errors are always shown",
    "-L": "a redirect is the answer; trace its location as a request of its own",
    "--location": "a redirect is the answer; trace its location as a request of its own",
    "-i": "the response headers are in `-v` and in `-o json`",
    "--include": "the response headers are in `-v` and in `-o json`",
    "-f": "the exit status does not depend on the simulated status",
    "--fail": "the exit status does not depend on the simulated status",
    "-x": "a proxy before the listener is not simulated; name the listener with --listener",
    "--proxy": "a proxy before the listener is not simulated; name the listener with --listener",
    "--compressed": "give the header: -H 'accept-encoding: gzip'",
    "-w": "use -o json",
    "--write-out": "use -o json",
    "-m": "use --patience MS",
    "--max-time": "use --patience MS",
    "--connect-timeout": "the simulated connection is made at once",
    "--retry": "the client does not retry; Envoy's retries are simulated",
}
"""curl options that would change nothing here, and why: refused, so that nobody believes they did."""


@dataclass(frozen=True, slots=True)
class CurlRequest:
    """What curl would send and where; ``tls`` from the scheme, ``address`` from --resolve or the URL."""

    method: str
    scheme: str
    host: str
    port: int
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str
    address: str | None
    """The IP to connect to, where the URL or --resolve says it."""


def parse_curl(
    url: str,
    *,
    method: str | None = None,
    headers: Sequence[str] = (),
    data: Sequence[str] = (),
    resolve: Sequence[str] = (),
    head: bool = False,
    get: bool = False,
    user: str | None = None,
    user_agent: str | None = None,
    cookie: str | None = None,
) -> CurlRequest:
    """Turn curl's words into a request; raises RequestError or OptionError with what is wrong."""
    scheme, host, port, path, authority = _split_url(url)
    pairs, authority_header = _headers(headers)
    body = "&".join(_data(item) for item in data)
    names = {name for name, _ in pairs}
    if data and get:
        path += ("&" if "?" in path else "?") + body
        body = ""
    elif data and "content-type" not in names:
        pairs.append(("content-type", "application/x-www-form-urlencoded"))
    for name, value in (("user-agent", user_agent), ("cookie", cookie)):
        if value is not None and name not in names:
            pairs.append((name, value))
    if user is not None and "authorization" not in names:
        pairs.append(("authorization", "Basic " + base64.b64encode(user.encode()).decode()))
    return CurlRequest(
        method=method or ("HEAD" if head else "POST" if body or (data and not get) else "GET"),
        scheme=scheme,
        host=host,
        port=port,
        authority=authority if authority_header is None else authority_header,
        path=path,
        headers=tuple(pairs),
        body=body,
        address=_address(host, port, resolve),
    )


def _split_url(url: str) -> tuple[str, str, int, str, str]:
    if "://" not in url:
        url = "http://" + url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RequestError(f"malformed URL `{url}`: the port is not a number from 0 to 65535") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise RequestError(f"malformed URL `{url}`: scheme `{parts.scheme}` is not http or https")
    if not parts.hostname:
        raise RequestError(f"malformed URL `{url}`: no host")
    if any(c.isspace() or ord(c) < 0x20 for c in url):
        raise RequestError(f"malformed URL `{url}`: blanks must be written as %20")
    default = DEFAULT_PORTS[parts.scheme]
    host = parts.hostname
    shown = f"[{host}]" if ":" in host else parts.netloc.rpartition("@")[2].rpartition(":")[0] or host
    if port is None:
        shown = parts.netloc.rpartition("@")[2].rstrip(":")
    authority = shown if port in (None, default) else f"{shown}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, default if port is None else port, path, authority


def _headers(lines: Sequence[str]) -> tuple[list[tuple[str, str]], str | None]:
    pairs: list[tuple[str, str]] = []
    authority: str | None = None
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon and name.endswith(";"):
            name, value = name[:-1], ""  # curl: `name;` sends the header without a value
        elif not colon:
            raise RequestError(f"malformed header `{line}`: expected `name: value`")
        elif not value.strip():
            continue  # curl: `name:` keeps curl from sending a header of its own
        if not name or not set(name) <= TOKEN:
            raise RequestError(f"malformed header `{line}`: `{name}` is not a header name")
        if any(c in value for c in "\r\n\0"):
            raise RequestError(f"malformed header `{name}`: line breaks are not allowed in a value")
        if name.lower() == "host":
            authority = value.strip()
        else:
            pairs.append((name, value.strip()))
    return pairs, authority


def _data(item: str) -> str:
    if not item.startswith("@"):
        return item
    try:
        return Path(item[1:]).read_text(encoding="utf-8").replace("\r", "").replace("\n", "")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read data file `{item[1:]}`: {error}") from None


def _address(host: str, port: int, resolve: Sequence[str]) -> str | None:
    for entry in resolve:
        parts = entry.lstrip("+").split(":", 2)
        if len(parts) != 3 or not parts[1].isdigit():
            raise OptionError(f"malformed `--resolve {entry}`: expected HOST:PORT:ADDRESS")
        name, entry_port, address = parts
        address = address.split(",")[0].strip("[]")
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise OptionError(f"malformed `--resolve {entry}`: `{address}` is not an IP address") from None
        if name.lower() in (host.lower(), "*") and int(entry_port) == port:
            return address
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
