-- webhook_endpoint_of_traveller: whom an event of a traveller's order is told to.
CREATE INDEX IF NOT EXISTS webhook_endpoint_of_traveller
    ON webhook_endpoint (region, traveller_id, created_at, id);
