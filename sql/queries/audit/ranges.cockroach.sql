-- ranges: every range of a table's indexes, who holds a copy of it, and who leads it.
SELECT
    index_name::text AS index_name, range_id::text AS range_id, start_key::text AS start_key,
    end_key::text AS end_key,
    array_to_string(replicas, ',') AS replicas,
    array_to_string(replica_localities, ';') AS replica_localities,
    array_to_string(voting_replicas, ',') AS voting_replicas,
    array_to_string(non_voting_replicas, ',') AS non_voting_replicas,
    array_to_string(learner_replicas, ',') AS learner_replicas,
    lease_holder::text AS lease_holder, lease_holder_locality::text AS lease_holder_locality,
    span_stats->>'live_count' AS live_keys
FROM [SHOW RANGES FROM TABLE {table} WITH INDEXES, DETAILS]
ORDER BY index_name, start_key
