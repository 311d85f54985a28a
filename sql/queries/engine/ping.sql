-- ping: the database answers.
SELECT 1::INT8 AS one
