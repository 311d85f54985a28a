-- orders_fees: what of the total is fees of changes, which no later fare is set off against.
ALTER TABLE orders ADD COLUMN IF NOT EXISTS fees_minor INT8 NOT NULL DEFAULT 0;
