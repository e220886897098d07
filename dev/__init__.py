"""What ``tasks.py`` runs: the project's own tooling, a folder to a theme, never shipped.

``commands`` lists the tasks. Imports point down from it: ``check`` and ``scrub``, ``testing``,
``packaging``, ``databases`` and ``docs``, ``environments``, then ``project``, which says what the
repository consists of, and the tools that know nothing of it: ``console``, ``files``,
``process_groups``.
"""
