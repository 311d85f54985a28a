# What is one for all regions. Exact answers would take a minute and make a thousand more records.
dns_mode      = "native"
database_mode = "cloud"
