-- orders_of_traveller: a traveller's orders, newest first.
CREATE INDEX IF NOT EXISTS orders_of_traveller ON orders (region, traveller_id, created_at DESC, id);
