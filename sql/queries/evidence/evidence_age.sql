-- evidence_age: how long the oldest that is not linked, and the oldest that is not signed, wait.
SELECT
    coalesce((
        SELECT (extract(epoch FROM now() - min(i.at)))::int8
        FROM evidence_intake AS i
        WHERE i.region = $1::text::crdb_internal_region
    ), 0) AS waiting,
    coalesce((
        SELECT (extract(epoch FROM now() - min(e.at)))::int8
        FROM evidence AS e
        WHERE e.region = $1::text::crdb_internal_region AND e.chain = $2
            AND e.seq >= coalesce(
                (SELECT max(c.records) FROM evidence_checkpoint AS c WHERE c.chain = $2), 0
            )
    ), 0) AS unsigned
