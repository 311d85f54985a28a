-- oversell_limits: the flights that may sell more than they have.
SELECT flight, percent FROM oversell_limit WHERE percent > 0 ORDER BY flight
