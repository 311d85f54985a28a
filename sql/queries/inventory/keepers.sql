-- keepers: who keeps the seats of which country.
SELECT country, region::text AS region FROM seat_keeper ORDER BY country
