"""A job that runs at night for each tenant, in the tenant's own time zone and database."""
