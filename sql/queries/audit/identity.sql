-- identity: which database this is, by its own clock.
SELECT current_database()::text AS database, now() AS at
