-- consent_of_traveller: what one traveller agreed to, the newest first.
CREATE INDEX IF NOT EXISTS consent_of_traveller
    ON consent (region, traveller_id, purpose, created_at DESC);
