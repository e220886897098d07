"""Lets a request through or refuses it, before a page sees it.

    hosts      the name by which the page was asked for
    prefix     the path of the mount
    bodies     the size of what is sent
    headers    what a browser may do with an answer
    visitors   who asks
    forms      whether an act comes from this page
    entrance   the one-time address of ``cloaca ui``

Each is an ASGI application around another one.
"""
