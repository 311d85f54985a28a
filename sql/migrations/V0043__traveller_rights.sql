-- traveller_rights: what a traveller asked of us about their data; empty when they asked nothing.
ALTER TABLE traveller
    ADD COLUMN IF NOT EXISTS restricted_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS profiling_refused_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS closed_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS erased_at TIMESTAMPTZ;
