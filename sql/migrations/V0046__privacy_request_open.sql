-- privacy_request_open: what is still to be done, the oldest first.
CREATE INDEX IF NOT EXISTS privacy_request_open ON privacy_request (region, state, created_at);
