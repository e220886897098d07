"""The web page: looks at runs, and steers them, without a server of its own.

    mounting      ``cloaca.ui``: the page as an ASGI application; server: that of ``cloaca ui``
    visitors      who looks, and what for
    application   guards around pages
    guard/        lets requests through or refuses them
    routes        addresses; paths: addresses as links
    asking        a request with all that a page needs; refusals: why it is not answered
    site/         the calls by which the page looks and acts; what it keeps between requests
    pages/        what is shown        acts/      what is changed
    forms/        what visitors wrote  payloads/  what programs wrote
    runs/         acts that a state allows, plans, failures of a workflow
    charts/       pictures as numbers  words/     numbers, instants and names as texts
    templating    templates/: how it looks; static_files, static/: styles and scripts
    live          tells an open page that something has changed; threads: those that make pages

``LANGUAGE.md`` is the visual language. Needs the extra ``ui``, but for ``visitors``. Has no SQL: it
asks ``observe`` and calls ``runner``.
"""
