-- super_region: replicas of rows homed under a law stay under it.
ALTER DATABASE "{database}" ADD SUPER REGION "{jurisdiction}" VALUES {regions}
