-- checkpoint_put: how far a chain went, signed; a number is given once.
INSERT INTO evidence_checkpoint (chain, number, records, envelope) VALUES ($1, $2, $3, $4)
