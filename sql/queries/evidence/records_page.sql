-- records_page: a chain from a number on, a page at a time.
SELECT seq, record
FROM evidence
WHERE chain = $1 AND seq >= $2
ORDER BY seq
LIMIT 5000
