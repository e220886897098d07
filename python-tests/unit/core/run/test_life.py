"""The life of a run against a plain model of the rules of steering, over all orders of facts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from model.life_stories import BROKEN, CANCEL, EARLY, LATE, LIMIT, MINUTE, Story
from model.plain_life import BrokenRuleError, Told, judged_lives, recorded_lives, replay
from tables import each_row

from cloaca_core.run.life import CutOffAt, Do, End, GiveBack, Life, Remaining, State
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.waits import NEVER

CANCELLED = End(RunStatus.CANCELLED, CANCEL)
UNSTORABLE = Reason(ReasonCode.UNSTORABLE, "too large")
BEGUN = ("0 may begin", "0 begins")
READ = ("reads its row", "hears of its row")
RESUMED_AT_REST = (
    *(*BEGUN, "0 waits for a message, attended"),
    *("pause", *READ, "resume", *READ, "a commit lands"),
)
MAY_END = ("cannot go on", "another runner has it", "the limit passes", "the deadline comes")
SELDOM = 900
"""Of 999; facts that may end a story early are as rare in long ones."""


# -- all orders ----------------------------------------------------------------------------------


@each_row(
    ("story", "length"),
    [
        (Story(size=1), 7),
        (Story(size=1, keeps=True), 6),
        # Two tasks: some begin, others are held.
        (Story(size=2, kinds=["a minute"]), 7),
    ],
    ids=["one task", "one task of a runner that keeps its runs", "two tasks"],
)
def test_no_order_of_facts_breaks_a_rule(story: Story, length: int) -> None:
    """What follows two orders that come to the same is told once."""
    stories, seen = [story], {story.key()}
    for _ in range(length):
        longer = [after for story in stories for after in map(story.after, story.facts())]
        stories = list(
            {key: after for after in longer if (key := after.key()) not in seen}.values()
        )
        seen |= {story.key() for story in stories}
    assert len(seen) > 1000


@settings(max_examples=150, derandomize=True)
@given(st.sampled_from([1, 2, 3]), st.booleans(), st.lists(st.integers(0, 999), max_size=50))
def test_no_long_order_of_facts_breaks_a_rule(size: int, keeps: bool, choices: list[int]) -> None:
    story = Story(size=size, keeps=keeps)
    for choice in choices:
        facts = [fact for fact in story.facts() if fact not in MAY_END or choice > SELDOM]
        if not facts:
            break
        story.happen(facts[choice % len(facts)])


# -- the rules, one by one -----------------------------------------------------------------------


def story(*facts: str, size: int = 1, keeps: bool = False) -> Story:
    """What comes of these facts."""
    story = Story(size=size, keeps=keeps)
    for fact in facts:
        story.happen(fact)
    return story


def test_a_cancelled_run_without_bodies_ends_at_once() -> None:
    assert story("0 may begin", "cancel, late", *READ).outcome == CANCELLED


def test_a_cancelled_run_ends_with_its_last_body() -> None:
    begun = ("0 may begin", "1 may begin", "0 begins", "1 begins")
    run = story(*begun, "cancel, late", *READ, "0 ends", size=2)
    assert (run.outcome, run.life.state) == (None, State.CANCELLING)
    run.happen("1 ends")
    assert run.outcome == CANCELLED


def test_a_cancelled_run_ends_at_the_earliest_deadline_whatever_its_bodies_do() -> None:
    run = story(*BEGUN, "cancel, late", *READ)
    assert run.cut_off_at == LATE
    for fact in ("cancel, early", *READ):
        run.happen(fact)
    assert run.cut_off_at == EARLY
    run.happen("the deadline comes")
    assert run.outcome == CANCELLED


def test_a_second_cancel_changes_nothing_but_the_deadline() -> None:
    life = Life()
    life.cancel_requested(CANCEL, LATE)
    assert list(life.cancel_requested(BROKEN, EARLY)) == [CutOffAt(EARLY)]
    assert list(life.cancel_requested(BROKEN, LATE)) == []
    assert life.cancel == (CANCEL, EARLY)


def test_nothing_begins_once_a_commit_has_found_a_cancel_and_the_end_waits_for_its_reason() -> None:
    run = story("0 may begin", "1 may begin", "0 begins", "cancel, late", "a commit lands", size=2)
    assert (run.life.held, run.outcome) == ([1], None)
    run.happen("0 ends")
    assert run.outcome is None
    for fact in READ:
        run.happen(fact)
    assert run.outcome == CANCELLED


def test_the_bodies_of_a_paused_run_finish_and_then_its_owner_lets_go() -> None:
    run = story(*BEGUN, "pause", *READ, "1 may begin", size=2)
    assert (run.life.state, run.life.held, run.gives_back) == (State.PAUSING, [1], None)
    run.happen("0 ends")
    assert run.gives_back == GiveBack(None)
    run.happen("is given back")
    assert run.outcome is Do.DROP


def test_a_pause_that_a_commit_has_found_lets_the_run_go_once_it_is_read() -> None:
    run = story(*BEGUN, "0 waits for a second", "pause", "a commit lands", *READ)
    assert run.gives_back == GiveBack(None)


def test_a_run_that_is_given_back_is_not_given_back_again() -> None:
    run = story(*BEGUN, "1 may begin", "0 waits for a minute", "pause", *READ, size=2)
    assert run.gives_back == GiveBack(None)
    assert (
        list(run.life.review(Remaining(0, under_way=False, rests=False, idle=False, due_at=NEVER)))
        == []
    )


def test_a_resume_while_the_run_is_given_back_is_left_to_its_next_owner() -> None:
    run = story("0 may begin", "pause", *READ, "resume", *READ)
    assert (run.life.state, run.going_on, run.life.held) == (State.LEAVING, None, [0])


def test_a_paused_run_ends_if_its_last_body_leaves_nothing_to_do() -> None:
    assert story(*BEGUN, "pause", *READ, "0 ends").outcome == "ended by its plan"


def test_a_cancel_takes_effect_on_a_run_that_is_to_be_paused() -> None:
    assert story(*BEGUN, "pause", *READ, "cancel, late", *READ, "0 ends").outcome == CANCELLED


def test_a_resumed_run_begins_what_was_held_once_a_commit_has_found_it_ours() -> None:
    begun = ("0 may begin", "1 may begin", "0 begins")
    run = story(*begun, "pause", *READ, "resume", *READ, size=2)
    assert (run.life.state, run.going_on, run.queued) == (State.ACTIVE, (1,), {})
    run.happen("a commit lands")
    assert run.queued == {1: 0}


def test_a_reading_from_before_a_commit_found_a_pause_resumes_nothing() -> None:
    paused = ("pause", "resume", "reads its row", "pause", "a commit lands")
    run = story(*BEGUN, "1 may begin", *paused, "hears of its row", size=2)
    assert (run.life.state, run.life.held) == (State.PAUSING, [1])


def test_what_has_not_begun_begins_with_the_replaced_keys() -> None:
    run = story("0 may begin", "pause", "resume with other keys", *READ, "a commit lands")
    assert run.queued == {0: 1}


@each_row(
    ("wait", "state", "gives_back"),
    [
        ("a second", State.IDLE, None),  # due within 5 s: it stays
        ("a minute", State.LEAVING, GiveBack(MINUTE, rests=True)),
        ("its retry", State.LEAVING, GiveBack(MINUTE, rests=False)),  # its limit goes on
        ("a message", State.IDLE, None),  # it lingers
        ("a message, attended", State.ACTIVE, None),  # its body is here
    ],
)
def test_a_run_that_waits_is_in_nobodys_memory(
    wait: str, state: State, gives_back: GiveBack | None
) -> None:
    run = story(*BEGUN, f"0 waits for {wait}")
    assert (run.life.state, run.gives_back) == (state, gives_back)


def test_a_run_lingers_for_a_message_without_a_place_and_then_leaves() -> None:
    run = story(*BEGUN, "0 waits for a message")
    assert run.lingers
    run.happen("time passes")
    assert run.gives_back == GiveBack(NEVER, rests=True)


def test_a_run_that_is_due_soon_keeps_its_place() -> None:
    assert not story(*BEGUN, "0 waits for a second").lingers


def test_a_runner_that_keeps_its_runs_gives_back_only_those_that_are_paused() -> None:
    run = story(*BEGUN, "0 waits for a minute", keeps=True)
    assert run.gives_back is None
    for fact in ("pause", *READ):
        run.happen(fact)
    assert run.gives_back == GiveBack(None)


@each_row(
    ("facts", "runs"),
    [
        (BEGUN, True),
        ((*BEGUN, "0 waits for a second"), False),
        ((*BEGUN, "0 waits for a message, attended"), False),
        ((*BEGUN, "0 waits for a message, attended", "0 wakes up"), True),
        ((*BEGUN, "0 waits for a second", "1 may begin"), True),  # something else begins
        ((*BEGUN, "pause", "a commit lands"), False),
        ((*BEGUN, "pause", *READ, "resume", *READ), True),
        ((*BEGUN, "cancel, late", *READ), False),
        # It rested before its pause, and does so after it.
        (RESUMED_AT_REST, False),
    ],
)
def test_the_limit_stands_still_while_the_run_is_stopped_or_rests(
    facts: tuple[str, ...], runs: bool
) -> None:
    assert story(*facts, size=2).limit_armed is runs


def test_a_run_fails_as_its_limit_passes() -> None:
    assert story(*BEGUN, "the limit passes").outcome == End(RunStatus.FAILED, LIMIT)


def test_a_limit_that_passes_while_the_run_is_given_back_is_left_to_the_next_owner() -> None:
    run = story(*BEGUN, "0 waits for its retry", "the limit passes")
    assert (run.outcome, run.life.state) == (None, State.LEAVING)


@each_row(
    "facts",
    [
        BEGUN,
        (*BEGUN, "0 waits for a second"),
        (*BEGUN, "0 waits for a minute"),
        (*BEGUN, "pause", *READ),
        (*BEGUN, "cancel, late", *READ),
    ],
    ids=["active", "idle", "leaving", "pausing", "cancelling"],
)
def test_a_run_that_cannot_go_on_fails_whatever_its_state(facts: tuple[str, ...]) -> None:
    assert story(*facts, "cannot go on").outcome == End(RunStatus.FAILED, BROKEN)


def test_a_run_that_waits_for_slots_is_given_to_a_runner_that_has_some() -> None:
    run = story("0 may begin", "others have slots")
    assert run.gives_back == GiveBack(None, is_surplus=True)


def test_a_run_is_kept_if_a_body_begins_as_it_is_given_to_others() -> None:
    run = story("0 may begin", "1 may begin", "others have slots as it begins", size=2)
    assert (run.life.state, sorted(run.under_way), run.queued) == (State.ACTIVE, [0], {1: 0})


@each_row(
    ("facts", "gives_back"),
    [
        ((*BEGUN, "0 waits for a second"), GiveBack(1_000_000, rests=True)),
        (BEGUN, GiveBack(None)),
        ((*BEGUN, "pause", *READ), GiveBack(None)),
    ],
)
def test_a_runner_that_leaves_gives_back_how_its_runs_wait(
    facts: tuple[str, ...], gives_back: GiveBack | None
) -> None:
    assert story(*facts, "the runner leaves").gives_back == gives_back


def test_a_runner_that_leaves_ends_what_is_cancelled() -> None:
    run = story(*BEGUN, "cancel, late", *READ, "the runner leaves")
    assert run.outcome == CANCELLED


def test_a_run_that_was_cancelled_as_it_was_given_back_is_still_ours_to_end() -> None:
    run = story(*BEGUN, "0 waits for a minute", "cancel, late", "is given back")
    assert (run.life.state, run.outcome) == (State.CANCELLING, None)
    for fact in READ:
        run.happen(fact)
    assert run.outcome == CANCELLED


def test_a_cancel_that_was_read_before_the_run_was_given_back_ends_it_then() -> None:
    run = story(*BEGUN, "0 waits for a minute", "cancel, late", *READ)
    assert run.life.state is State.LEAVING
    run.happen("is given back")
    assert run.outcome == CANCELLED


def test_a_pause_that_was_met_as_the_run_was_given_back_lets_it_go() -> None:
    run = story(*BEGUN, "0 waits for a minute", "pause", "is given back")
    assert run.outcome is Do.DROP


def test_a_run_that_another_runner_has_is_forgotten() -> None:
    run = story(*BEGUN, "another runner has it", "a commit lands")
    assert run.outcome is Do.DROP


@each_row(
    "facts",
    [
        (*BEGUN, "0 ends"),
        (*BEGUN, "cannot go on"),
        (*BEGUN, "another runner has it", "a commit lands"),
        (*BEGUN, "cancel, late", *READ, "0 ends"),
        (*BEGUN, "0 waits for a minute", "is given back"),
    ],
    ids=["completed", "failed", "lost", "cancelled", "given back"],
)
def test_nothing_follows_the_end_of_a_run(facts: tuple[str, ...]) -> None:
    story(*facts).judge_end()


# -- facts that a story does not tell ------------------------------------------------------------


def test_a_run_with_bodies_is_not_given_back_though_it_waits() -> None:
    life = Life()
    left = Remaining(0, under_way=True, rests=False, idle=True, due_at=NEVER)
    assert (list(life.review(left)), life.state) == ([], State.ACTIVE)


def test_a_refused_row_fails_the_run() -> None:
    life = Life()
    assert list(life.refused(UNSTORABLE, None))[-1] == End(RunStatus.FAILED, UNSTORABLE)


def test_a_refused_end_is_tried_once_more_bare_and_then_the_run_is_forgotten() -> None:
    life = Life()
    (end,) = life.fail(BROKEN)
    assert isinstance(end, End)
    (bare,) = life.refused(UNSTORABLE, end)
    assert isinstance(bare, End)
    assert bare.bare
    assert list(life.refused(UNSTORABLE, bare)) == [Do.DROP]


def test_a_row_that_is_refused_after_the_end_changes_nothing() -> None:
    life = Life()
    life.over()
    assert list(life.refused(UNSTORABLE, None)) == []


def test_what_is_released_is_not_held_any_more() -> None:
    life = Life()
    life.pause_requested()
    assert list(life.ready([1, 2])) == []
    assert (life.release(), life.held) == ([1, 2], [])


# -- lives of real runs --------------------------------------------------------------------------


def test_the_lives_of_real_runs_are_recorded_and_replayed() -> None:
    with recorded_lives() as traces:
        life = Life()
        life.ready([0])
        life.limit_passed(LIMIT)
    assert [[told.fact for told in trace] for trace in traces] == [["ready", "limit_passed"]]


def test_a_rule_that_a_life_breaks_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Life, "fail", lambda life, reason: ())
    broken: list[str] = []
    with judged_lives(broken.append):
        Life().fail(BROKEN)
    assert len(broken) == 1


def test_a_replay_finds_what_breaks_a_rule() -> None:
    begins = Told("ready", ((0,),), (0,), (), State.PAUSING, None, 0)
    pauses = Told("pause_requested", (), (Do.STOP_LIMIT, Do.HOLD), (), State.PAUSING, None, 0)
    with pytest.raises(BrokenRuleError, match="nothing begins of a run that stops"):
        replay([pauses, begins])


# -- queues ----------------------------------------------------------------------------------------


def elsewhere(*, under_way: bool = False, keeps: bool = False) -> Remaining:
    """All that is ready asks for a queue that is not served here."""
    return Remaining(
        now=0,
        under_way=under_way,
        rests=False,
        idle=False,
        due_at=NEVER,
        never_evicts=keeps,
        moves_to="gpu",
    )


def test_a_run_moves_to_the_queue_of_what_is_ready() -> None:
    life = Life()
    assert list(life.review(elsewhere())) == [Do.HOLD, GiveBack(None, is_surplus=True, queue="gpu")]
    assert life.state is State.LEAVING
    assert list(life.review(elsewhere())) == []


@each_row("left", [elsewhere(under_way=True), elsewhere(keeps=True)])
def test_a_run_moves_once_no_body_is_under_way_and_only_from_a_runner_that_gives_runs_back(
    left: Remaining,
) -> None:
    life = Life()
    assert list(life.review(left)) == []
    assert life.state is State.ACTIVE


def test_a_run_that_is_to_be_cancelled_or_paused_moves_nowhere() -> None:
    cancelled, paused = Life(), Life()
    cancelled.cancel_requested(CANCEL, 9)
    paused.pause_requested()
    assert list(cancelled.review(elsewhere())) == [CANCELLED]
    assert list(paused.review(elsewhere())) == [GiveBack(None)]


def test_a_move_that_meets_a_cancel_leaves_the_run_to_its_owner_to_end() -> None:
    life = Life()
    life.review(elsewhere())
    life.cancel_requested(CANCEL, 9)
    acts = life.gave_back(RunStatus.CANCELLED)
    assert CutOffAt(9) in acts
    assert life.state is State.CANCELLING
