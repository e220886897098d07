"""Step 6: one database, several customers who must not see each other.

Each tenant is a PostgreSQL schema with its own role, made by the administrator. A runner works in
one schema and sees nothing of the others, though all use the same names.

Needs a PostgreSQL server and the right to make schemas and roles in it: ``ADMIN_DATABASE_URL``. A
tenant's own program would open ``credentials.connection_string``, which reaches only the tenant's
schema; cloaca 0.2 cannot do that, so the administrator's runner works here.
"""

from __future__ import annotations

import os

import cloaca

ADMIN_URL = os.environ.get("ADMIN_DATABASE_URL", "postgresql://postgres@localhost:5432/cloacina")
CUSTOMERS = {"tenant_bakery": ["bread", "rolls"], "tenant_florist": ["tulips"]}

with cloaca.WorkflowBuilder("nightly_report") as builder:
    builder.description("The same definition for all; what it works on is each tenant's own")

    @cloaca.task(id="count")
    def count(context: cloaca.Context) -> cloaca.Context:
        """Count the products."""
        context.set("count", len(context.get("products")))
        return context

    @cloaca.task(id="write", dependencies=["count"])
    def write(context: cloaca.Context) -> cloaca.Context:
        """Write a line of the report."""
        products = ", ".join(context.get("products"))
        context.set("report", f"{context.get('count')}: {products}")
        return context


def tenant_of(admin: cloaca.DatabaseAdmin, name: str) -> cloaca.TenantCredentials:
    """Make a tenant. An empty password asks for a random one."""
    config = cloaca.TenantConfig(schema_name=name, username=f"{name}_user", password="")
    print("made:", config.schema_name, "for", config.username)
    return admin.create_tenant(config)


def work(name: str, products: list[str]) -> None:
    """Run the workflow in one tenant's schema."""
    runner = cloaca.DefaultRunner.with_schema(ADMIN_URL, name)
    try:
        result = runner.execute("nightly_report", cloaca.Context({"products": products}))
        print(f"{name}:", result.status, "-", result.final_context.get("report"))
    finally:
        runner.shutdown()


def main() -> None:
    """Make the tenants, let each of them work, and remove them again."""
    admin = cloaca.DatabaseAdmin(ADMIN_URL)
    tenants = {name: tenant_of(admin, name) for name in CUSTOMERS}
    print("passwords differ:", len({each.password for each in tenants.values()}) == len(tenants))
    print("shown:", tenants["tenant_bakery"])

    for name, products in CUSTOMERS.items():
        work(name, products)

    for refused in ("", "bad-name"):
        try:
            cloaca.DefaultRunner.with_schema(ADMIN_URL, refused)
        except ValueError as error:
            print("refused:", "Schema name" in str(error))

    for name, credentials in tenants.items():
        admin.remove_tenant(name, credentials.username)
    print("removed:", len(tenants))


if __name__ == "__main__":
    main()
