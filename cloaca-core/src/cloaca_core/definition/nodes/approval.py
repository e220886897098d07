"""``approval``: a node that waits for a person's decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloaca_core.definition.nodes.declare import declare
from cloaca_core.definition.waits.approvals import read_approval
from cloaca_core.definition.waits.kinds import REJECT
from cloaca_core.values.arguments import one_of
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.node import Node, Reference
from cloaca_core.values.option_names import RejectPolicyName
from cloaca_core.values.times.durations import Duration

_REJECT_POLICIES: Final[dict[str, RejectPolicyName]] = {"skip": "skip", "fail": "fail"}


def approval(
    id: str,  # noqa: A002 - the public name of the parameter
    prompt: str,
    *,
    choices: Sequence[str] = ("approve", REJECT),
    schema: type | None = None,
    timeout: Duration | None = None,
    default: str | Missing = MISSING,
    reject_policy: RejectPolicyName = "skip",
    dependencies: Sequence[Reference] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
) -> Node:
    """Make a node of the workflow whose builder block is open that waits until a person decides.
    The decision becomes the value of ``id`` in the context: an object with ``choice``, ``by``,
    ``at``, ``note`` and ``data``. No runner keeps the run in memory meanwhile.

    * ``id``: as a task's
    * ``prompt``: the question that the person reads
    * ``choices``: a list of texts, of which one is chosen; "reject" among them rejects; approve and
      reject
    * ``schema``: a dataclass or a model, the type of the data that come with the decision; none,
      which accepts any
    * ``timeout``: seconds above 0, or a timedelta, from when all dependencies have ended; none
    * ``default``: the choice when the time is over; without it the node fails with
      ``EventTimeoutError``
    * ``reject_policy``: when "reject" is chosen, "skip" skips the tasks that depend on it by the
      default rule, and "fail" lets the node fail with ``ApprovalRejectedError``; skip
    * ``dependencies``: a list of ids, functions or nodes, also of tasks further down; none
    * ``trigger_rules``: as a task's. Without one a node is skipped like a task, and also if all
      tasks that it depends on were skipped by their rules

    ``DefinitionError`` (ValueError) or ``DefinitionTypeError`` (TypeError) names the option, what
    was given and what is accepted.
    """
    policy = one_of("reject_policy", reject_policy, _REJECT_POLICIES)
    wait = read_approval(prompt, choices, schema, timeout, default, policy)
    return declare("approval", id, wait, dependencies, trigger_rules, in_body="handle.approval")
