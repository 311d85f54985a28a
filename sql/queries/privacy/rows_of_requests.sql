-- rows_of_requests: rows that name a request of a traveller.
SELECT {columns}
FROM {table} AS r
JOIN privacy_request AS q ON q.region = r.region AND q.id = r.request_id
WHERE r.region = $1::text::crdb_internal_region AND q.traveller_id = $2
