-- home_move_insert: who moved from where to where, when and why; it stays with the traveller.
INSERT INTO home_move (region, id, traveller_id, from_region, to_region, reason, orders, sessions)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, $1::text, $5, $6, $7)
