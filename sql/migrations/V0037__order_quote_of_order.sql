-- order_quote_of_order: the quotes of an order, for its foreign key.
CREATE INDEX IF NOT EXISTS order_quote_of_order ON order_quote (region, order_id, id);
