-- seat_hold_departs_from: leads to the seats wherever they are kept; empty in older rows.
ALTER TABLE seat_hold ADD COLUMN IF NOT EXISTS departs_from TEXT NOT NULL DEFAULT '';
