"""Classes of packages that are not imported."""

from __future__ import annotations

from unit.core.features.executors.foreign_classes import foreign

from cloaca_core.features.executors.foreign import Foreign, is_one_of

KILLED = Foreign("distributed", "KilledWorker")


def test_an_instance_is_recognised_by_package_and_name() -> None:
    assert is_one_of(foreign("distributed.scheduler", "KilledWorker")(), KILLED)


def test_an_instance_of_a_derived_class_is_recognised() -> None:
    killed = foreign("distributed.scheduler", "KilledWorker")

    assert is_one_of(foreign("mine", "Mine", killed)(), KILLED)


def test_the_same_name_elsewhere_is_another_class() -> None:
    assert not is_one_of(foreign("distributed_things", "KilledWorker")(), KILLED)
    assert not is_one_of(foreign("distributed", "Worker")(), KILLED)
