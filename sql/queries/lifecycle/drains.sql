-- drains: every region that takes nobody new.
SELECT region, reason, since, ends_at
FROM region_drain
WHERE ends_at IS NULL OR ends_at > now()
ORDER BY region
