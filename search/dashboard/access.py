"""Who may use the dashboard: the hosts that it answers for, the origins of writes, and a token.

A page on the internet can make a browser send requests to this machine, and with a DNS name that
it points here (DNS rebinding) it can read the answers. So a request must be addressed to a name
that is ours, one that may change something must come from our own pages, and where the dashboard
listens beyond this machine every request needs a token.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from .responses import READING_METHODS, Response, page_response, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NEEDS_TOKEN = (
    "this dashboard needs its token; open the address that recsys-search dashboard printed when it "
    "started, which ends in ?token=..."
)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use the dashboard.

    Attributes:
        names: the host names that a request may be addressed to.
        any_address: whether it may be addressed to any IP address, not only to loopback ones. That
            is no risk: rebinding takes a name.
        token: what each request must bring; None if it needs none.
        cookie: name of the cookie that brings it. Cookies of all ports of a host are shared.
    """

    names: frozenset[str]
    any_address: bool
    token: str | None
    cookie: str

    @classmethod
    def of(
        cls, host: str, address: tuple[str, int], allowed: Iterable[str], token: str | None = None
    ) -> Access:
        """The access to a server.

        Args:
            host: `--host`.
            address: what it is bound to.
            allowed: further names, `--allow-host`.
            token: one of the user's, which is needed on loopback too. [default: a random one, and
                none on loopback, where only this machine connects]
        """
        is_loopback = ip_address(address[0]).is_loopback
        own = () if is_loopback else (socket.gethostname(),)
        return cls(
            names=frozenset(map(_canonical, ("localhost", host, *own, *allowed))),
            any_address=not is_loopback,
            token=token or (None if is_loopback else secrets.token_urlsafe(32)),
            cookie=f"recsys_search_{address[1]}",
        )

    def answers_for(self, host: str) -> bool:
        """Whether a `Host` header names this dashboard.

        Its port is not compared: a tunnel or a container may map it, and rebinding needs a name.
        """
        if set(host) & set("/@?#\\ "):
            return False
        try:
            name = _canonical(urlsplit(f"//{host}").hostname or "")
        except ValueError:  # brackets that hold no IPv6 address
            return False
        try:
            address = ip_address(name)
        except ValueError:
            return name in self.names
        return self.any_address or address.is_loopback

    def has_token(self, environ: WSGIEnvironment) -> bool:
        """Whether the request brings the token, in the cookie or as `Authorization: Bearer`."""
        # Not `http.cookies`, which stops at the first cookie of another program that it dislikes.
        pairs = (pair.strip().partition("=") for pair in environ.get("HTTP_COOKIE", "").split(";"))
        given = {name: value for name, _, value in pairs}.get(self.cookie, "")
        bearer = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        return self.is_token(given) or self.is_token(bearer)

    def is_token(self, text: str) -> bool:
        return self.token is None or hmac.compare_digest(text.encode(), self.token.encode())


def guarded(app: WSGIApplication, access: Access) -> WSGIApplication:
    """The app, answering only those who may use it."""

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        refusal = _check(environ, access)
        return refusal.send(start_response) if refusal else app(environ, start_response)

    return checked


def _check(environ: WSGIEnvironment, access: Access) -> Response | None:
    """The answer to a request that does not reach the app; None for one that does."""
    host = environ.get("HTTP_HOST", "")
    if not access.answers_for(host):
        reason = (
            f"this dashboard does not answer for the host {host!r}; if that is its name, start it "
            "with --allow-host"
        )
        return refuse(environ, HTTPStatus.MISDIRECTED_REQUEST, reason)
    if environ["REQUEST_METHOD"] not in READING_METHODS and not _is_own_page(environ, host):
        origin = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER") or "another site"
        reason = f"{origin} is not a page of this dashboard, so nothing was changed"
        return refuse(environ, HTTPStatus.FORBIDDEN, reason)
    if access.has_token(environ):
        return None
    return _sign_in(environ, access) or refuse(environ, HTTPStatus.UNAUTHORIZED, NEEDS_TOKEN)


def _is_own_page(environ: WSGIEnvironment, host: str) -> bool:
    """Whether a page of the dashboard sent the request, or no page at all, but a program."""
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none"):
        return False
    source = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
    try:
        return source is None or urlsplit(source).netloc.lower() == host.lower()
    except ValueError:
        return False


def _sign_in(environ: WSGIEnvironment, access: Access) -> Response | None:
    """The answer to a page's address with the token: the same without it, and the cookie."""
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    given = dict(query).get("token", "")
    if environ["REQUEST_METHOD"] != "GET" or not access.is_token(given):
        return None
    # A page that reloads, not a redirect: on one, a browser that comes from a link on another
    # site would not send a cookie with SameSite=Strict.
    path = "/" + quote(environ["PATH_INFO"].lstrip("/"))
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    address = escape(f"{path}?{rest}" if rest else path)
    reload = f'<meta http-equiv="refresh" content="0;url={address}">'
    response = page_response(HTTPStatus.OK, "Signed in.", reload)
    cookie = f"{access.cookie}={access.token}; Path=/; HttpOnly; SameSite=Strict"
    response.headers["Set-Cookie"] = cookie
    return response


def _canonical(name: str) -> str:
    return name.lower().rstrip(".")
