"""Contract of steering: acts on runs, and what follows from them.

* ``acts``: how acts are kept that concern no run.
* ``cancels``, ``pauses``, ``start_limits``: acts on a run, and how its owner is notified.
* ``cancelled``, ``children`` and ``paused_children``: what follows from these.
* ``retries``, ``forks`` and ``resumes``: runs that run again, or go on otherwise.
* ``rests``: how long the time limit of a run stands still while it waits.
* ``claim_order``, ``parks``, ``unserved``: the order of claims, and runs that are not claimed yet.
"""
