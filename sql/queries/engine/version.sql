-- version: which engine answers, and how old it is.
SELECT version() AS version
