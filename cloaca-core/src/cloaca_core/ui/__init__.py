"""The web page: looks at runs, and steers them, without a server of its own.

    mounting     ``cloaca.ui``: the page as an ASGI application
    visitors     who looks, and what for
    application  guards around pages
    guard/       lets requests through or refuses them
    routes       addresses
    asking       a request with all that a page needs
    desk         the calls by which the page looks and acts
    pages/       what is shown; acts/ what is changed; charts/ pictures as numbers
    templates/   how it looks; static/ styles and scripts; LANGUAGE.md the visual language
    live         tells an open page that something has changed; streams counts those that hear it

Needs the extra ``ui``, but for ``visitors``. Has no SQL: it asks ``observe`` and calls ``runner``.
"""
