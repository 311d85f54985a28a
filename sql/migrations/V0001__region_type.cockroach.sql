-- region_type: the type exists as soon as the database has a primary region; nothing to make.
SELECT 1;
