-- inventory_oversell: how many of the capacity are beyond the seats that there are.
ALTER TABLE inventory ADD COLUMN IF NOT EXISTS oversell INT8 NOT NULL DEFAULT 0;
