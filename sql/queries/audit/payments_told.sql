-- payments_told: payments that were told to the payment provider, by home.
SELECT p.region::text AS region, count(*) AS payments
FROM order_payment AS p
GROUP BY p.region
ORDER BY p.region
