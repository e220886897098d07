"""Rows that the floors write: as many bytes as cloaca writes for the measured workflows."""

INPUT = '{"a":1,"b":"two","c":[1,2,3],"d":{"x":1.5},"e":true}'
CHANGE = '{"set":{},"removed":[]}'


def run_ids(first: int, count: int) -> list[str]:
    """Ascending ids, like those of runs."""
    return [f"00000000-0000-7000-8000-{number:012d}" for number in range(first, first + count)]
