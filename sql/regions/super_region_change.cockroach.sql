-- super_region_change: the whole list of a law's regions, anew.
ALTER DATABASE "{database}" ALTER SUPER REGION "{jurisdiction}" VALUES {regions}
