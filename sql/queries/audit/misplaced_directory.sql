-- misplaced_directory: log-ins that lead to another region than the one the account is in.
SELECT t.region::text AS region, t.id, coalesce(d.home::text, 'nowhere') AS home
FROM traveller AS t
LEFT JOIN login_directory AS d ON d.subject_hash = t.subject_hash
WHERE t.closed_at IS NULL AND (d.home IS NULL OR d.home <> t.region)
ORDER BY t.region, t.id
LIMIT 1000
