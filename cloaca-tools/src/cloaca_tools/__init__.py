"""``Observer``, command line, page, tools of assistants, doctor, and copies of databases."""
