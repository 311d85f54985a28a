-- add_region: the cluster must already have nodes there.
ALTER DATABASE "{database}" ADD REGION "{region}"
