-- drop_region: refused (2BP01) while a row is at home there.
ALTER DATABASE "{database}" DROP REGION "{region}"
