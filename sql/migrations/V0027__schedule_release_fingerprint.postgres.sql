-- schedule_release_fingerprint: which region keeps whose seats is a table now, no part of the hash.
UPDATE schedule_release SET fingerprint = (fingerprint >> 32) << 32 WHERE id = 1;
