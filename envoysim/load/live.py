"""Ask an HTTP address the user named: no redirect is followed and no proxy of the environment is used."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from ..errors import SourceError

SECONDS: Final = 30.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send the request to an address nobody named."""

    def redirect_request(self, *args: Any) -> None:
        """Refuse: the answer is then an HTTPError with its status."""


def ask(
    base: str,
    path: str,
    *,
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the body of the answer to ``GET base+path``; raises SourceError for whatever goes wrong."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    try:
        request = urllib.request.Request(base + path, headers=dict(headers or {}))
        with urllib.request.build_opener(*handlers).open(request, timeout=seconds) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise SourceError(_status(error, path), place=base, help=_STATUS_HELP.get(error.code)) from None
    except TimeoutError:
        raise SourceError(f"did not answer {path or '/'} within {seconds:g} s", place=base) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise SourceError(f"cannot be reached: {_reason(error, seconds)}", place=base) from None
    except http.client.IncompleteRead as error:
        raise SourceError(f"broke off after {len(error.partial)} bytes of {path or '/'}", place=base) from None
    except http.client.HTTPException as error:
        raise SourceError(f"did not answer in HTTP: {_line(error)}", place=base) from None


_STATUS_HELP: Final = {
    401: "give a token: --token-file FILE",
    403: "the admin interface may only be reachable on the proxy's own loopback: use `kubectl port-forward`",
    404: "is this Envoy's admin port? (Istio 15000, Envoy Gateway 19000, Consul 19000)",
}


def _status(error: urllib.error.HTTPError, path: str) -> str:
    where = error.headers.get("location") if 300 <= error.code < 400 else None
    redirect = f" (a redirect to {where}, which is not followed)" if where else ""
    return f"answered {error.code} to {path or '/'}{redirect}"


def _reason(error: Exception, seconds: float) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {reason.verify_message}"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return _line(reason)


def _line(error: object) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
