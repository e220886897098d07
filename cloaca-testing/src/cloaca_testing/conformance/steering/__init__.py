"""Contract of steering: what is asked of runs, and what follows from that.

* ``steering_conformance``: cancel, pause, resume, and how the owner of a run is told.
* ``cancelled_``, ``children_`` and ``paused_children_conformance``: what follows from these.
* ``rerun_`` and ``resume_conformance``: runs that run again, or go on otherwise.
* ``rest_conformance``: how long the time limit of a run stands still while it waits.
* ``turn_conformance``: in which order runs are claimed, and which are not claimed yet.
* ``standing_conformance``: how a run stands.
"""
