-- drain_get: whether a region takes nobody new.
SELECT reason FROM region_drain WHERE region = $1 AND (ends_at IS NULL OR ends_at > now())
