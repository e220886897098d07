"""The project's own tooling, run by ``tasks.py``: one folder for each theme, never shipped.

``commands`` lists the tasks. Imports point down from it: ``check`` and ``scrub``, ``testing``,
``packaging``, ``databases`` and ``docs``, ``environments``, then ``project``, which describes the
repository, and general tools: ``console``, ``files``, ``process_groups``.
"""
