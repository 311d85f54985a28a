-- seat_hold_inventory_region: only rows without a country of departure name the region themselves.
ALTER TABLE seat_hold ALTER COLUMN inventory_region DROP NOT NULL;
