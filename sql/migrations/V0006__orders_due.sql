-- orders_due: the worker's list in the order of its work.
CREATE INDEX IF NOT EXISTS orders_due ON orders (region, due_at, id) WHERE due_at IS NOT NULL;
