-- passengers_reseal: passengers as the new home seals them.
UPDATE order_passenger
SET given_name = sealed.given_name, family_name = sealed.family_name, born_on = sealed.born_on
FROM (
    SELECT unnest($2::uuid[]) AS order_id, unnest($3::int8[]) AS position,
        unnest($4::bytea[]) AS given_name, unnest($5::bytea[]) AS family_name,
        unnest($6::bytea[]) AS born_on
) AS sealed
WHERE order_passenger.region = $1::text::crdb_internal_region
    AND order_passenger.order_id = sealed.order_id
    AND order_passenger.position = sealed.position
