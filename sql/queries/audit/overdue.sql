-- overdue: requests under the law that were not answered in time.
SELECT region::text AS region, kind, count(*) AS requests
FROM privacy_request
WHERE state <> 'done' AND state <> 'asked' AND answer_by < now()
GROUP BY region, kind
ORDER BY region, kind
