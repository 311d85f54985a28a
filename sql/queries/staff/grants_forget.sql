-- grants_forget: nobody looks at a region that is given up.
DELETE FROM staff_grant WHERE region = $1::text::crdb_internal_region
