-- primary_region: makes the database multi-region.
ALTER DATABASE "{database}" SET PRIMARY REGION "{region}"
