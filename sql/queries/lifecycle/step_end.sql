-- step_end: a step is done.
UPDATE region_step SET ended_at = now() WHERE plan = $1 AND number = $2 AND ended_at IS NULL
