-- webhook_delivery_due: what a worker should look at next: to deliver, or long after that to forget.
CREATE INDEX IF NOT EXISTS webhook_delivery_due
    ON webhook_delivery (region, due_at, endpoint_id, about, seq);
