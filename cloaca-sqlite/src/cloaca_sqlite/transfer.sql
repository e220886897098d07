-- Whole tables as SQLite reads them: long payloads of runs are in rows of their own (see
-- payloads.sql), and are put back here. They are written in the rows of their runs, where they may
-- stand as well.


-- name: page_run
-- Read runs, with their payloads, after a key.
SELECT
    run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    run.created_at, run.started_at, run.ended_at, run.parent_id, run.idempotency_key, run.tags,
    run.error_message, CASE run.input WHEN '' THEN given.content ELSE run.input END,
    CASE run.final_context WHEN '' THEN ended.content ELSE run.final_context END,
    run.schedule_id, run.behind, run.context_hash, run.reason_code, run.limit_seconds,
    run.priority, run.claimable_at, run.due_at, run.start_by, run.came_due, run.round,
    run.cancel_at, run.paused_at, run.paused_until, run.stood_still, run.steer_reason,
    run.detached, run.children_at, run.time_limit, run.deadline_at, run.reason_tasks,
    run.pause_id, run.paused_with, run.pause_follows, run.follows, run.follows_round,
    run.follows_place, run.replacements, run.root_id, run.cancels_children, run.messages,
    run.rests_since, run.trace, run.ran_version, run.queue, run.child_kind, run.singleton_key
FROM cloaca_run AS run
LEFT JOIN cloaca_payload AS given ON given.run_id = run.id AND given.round = 0
LEFT JOIN cloaca_payload AS ended ON ended.run_id = run.id AND ended.round = run.round
WHERE run.id > :id
ORDER BY run.id
LIMIT :limit;


-- name: page_round
-- Read ended rounds of runs after a key.
SELECT
    past.run_id, past.round, past.status, past.error_message, past.reason_code,
    past.limit_seconds,
    CASE past.final_context WHEN '' THEN ended.content ELSE past.final_context END,
    past.started_at, past.ended_at
FROM cloaca_round AS past
LEFT JOIN cloaca_payload AS ended ON ended.run_id = past.run_id AND ended.round = past.round
WHERE (past.run_id, past.round) > (:run_id, :round)
ORDER BY past.run_id, past.round
LIMIT :limit;
