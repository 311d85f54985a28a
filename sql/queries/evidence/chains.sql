-- chains: the chains there are.
SELECT DISTINCT chain FROM evidence ORDER BY chain
