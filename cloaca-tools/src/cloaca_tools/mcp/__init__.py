"""The Model Context Protocol over ``observe`` and ``Client``: an assistant looks at runs.

    bounds     an answer → one that is not too long, with notes of what was cut
    schemas    arguments as JSON schemas
    tool       ``Tool``, how it is called and what it answers
    database   what tools work with: a client that is open
    looking    the tools that only look
    steering   the tools that steer runs
    server     both over stdin and stdout; the one module that needs the package ``mcp``

Has no logic of its own: a tool makes the calls that a command of the command line makes, and its
answer has the form that the command writes with ``--json``.
"""
