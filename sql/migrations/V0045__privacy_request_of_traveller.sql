-- privacy_request_of_traveller: one traveller's requests, the newest first.
CREATE INDEX IF NOT EXISTS privacy_request_of_traveller
    ON privacy_request (region, traveller_id, created_at DESC);
