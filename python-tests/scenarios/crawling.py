"""Goes over all pages that one comes to from the first one."""

from __future__ import annotations

import re
from html import unescape

from starlette.testclient import TestClient

import cloaca

_ADDRESS = re.compile(r'(?:href|hx-get|hx-sse:connect)="([^"#][^"]*)"')
_FILTERED = "/runs?"
"""A list of runs that is narrowed: it leads to as many others as there are combinations."""
_NO_PAGE = ("/live", "/static/", "mailto:", "http:", "https:")


def all_pages(client: cloaca.Client) -> dict[str, str]:
    """The text of each page, by its address."""
    return {address: unescape(text) for address, text in sources(client).items()}


def sources(client: cloaca.Client) -> dict[str, str]:
    """The HTML of each page that one comes to from the first one, by its address."""
    app = cloaca.ui(client, auth=cloaca.ui_without_auth, hosts=["testserver"])
    found, left = dict[str, str](), ["/"]
    with TestClient(app) as browser:  # one loop for all requests, as of a server
        while left:
            address = left.pop()
            if address not in found and not any(each in address for each in _NO_PAGE):
                found[address] = browser.get(address).text
                links = list(map(unescape, _ADDRESS.findall(found[address])))
                is_narrowed = address.startswith(_FILTERED)
                left += [to for to in links if not (is_narrowed and to.startswith(_FILTERED))]
    return found
