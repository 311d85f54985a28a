-- inventory_departs_from: whose keeper keeps these seats; empty in rows older than this column.
ALTER TABLE inventory ADD COLUMN IF NOT EXISTS departs_from TEXT NOT NULL DEFAULT '';
