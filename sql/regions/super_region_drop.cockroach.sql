-- super_region_drop: the last region under a law goes.
ALTER DATABASE "{database}" DROP SUPER REGION "{jurisdiction}"
