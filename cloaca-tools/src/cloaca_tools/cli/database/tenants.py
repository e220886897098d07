"""``cloaca tenants``: databases that share nothing, as files or as schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloaca_core.errors import BackendError, TenantNameError
from cloaca_tools.cli import exits
from cloaca_tools.cli.columns import text
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.output import Output, note, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.database_admin import DatabaseAdmin

_DIRECTORY = click.option(
    "--directory", metavar="FOLDER", help="The folder of tenants that are SQLite files."
)
_USER = click.option("--user", metavar="ROLE", help="The tenant's role; as the tenant.")


@click.group("tenants")
def command() -> None:
    """List, create and remove tenants.

    With --directory they are SQLite files in that folder; else schemas of a PostgreSQL database,
    which --database-url opens as a role that may make schemas and roles.
    """


@command.command("list")
@_DIRECTORY
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output, directory: str | None) -> None:
    """List the tenants; those of PostgreSQL with their roles."""
    from cloaca_core.client.sqlite_tenants import SqliteTenants

    if directory is not None:
        rows = [{"name": each} for each in SqliteTenants(directory).list()]
        out.listing("tenants", rows, [text("name")], empty="No tenants.")
        return
    found = _admin(where).list_tenants()
    rows = [{"name": each.schema_name, "user": each.username} for each in found]
    out.listing("tenants", rows, [text("name"), text("user")], empty="No tenants.")


@command.command()
@click.argument("name")
@_DIRECTORY
@_USER
@database_options
@output_options
@pass_where
def create(where: Where, out: Output, name: str, directory: str | None, user: str | None) -> None:
    """Make a tenant, or bring it up to date, and write the URL to open it with.

    On PostgreSQL the URL has a new password, which is shown this once.
    """
    from cloaca_core.client.sqlite_tenants import SqliteTenants
    from cloaca_core.features.tenants.credentials import TenantConfig

    try:
        if directory is not None:
            url = SqliteTenants(directory).create(name)
        else:
            config = TenantConfig(schema_name=name, username=user or name)
            url = _admin(where).create_tenant(config).connection_string
    except TenantNameError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    out.one("tenant", {"name": name, "url": url}, lambda: [url])


@command.command()
@click.argument("name")
@_DIRECTORY
@_USER
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_options
@output_options
@pass_where
def remove(
    where: Where, out: Output, name: str, directory: str | None, user: str | None, yes: bool
) -> None:
    """Remove a tenant with all of its work."""
    from cloaca_core.client.sqlite_tenants import SqliteTenants
    from cloaca_tools.cli.runs.steer_runs import confirm

    confirm(f"Remove the tenant {name} with all of its work?", yes=yes)
    try:
        if directory is not None:
            SqliteTenants(directory).remove(name)
        else:
            _admin(where).remove_tenant(name, user or name)
    except TenantNameError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    out.one("tenant", {"name": name}, list)
    note(f"The tenant {name} is removed.")


def _admin(where: Where) -> DatabaseAdmin:
    from cloaca_core.client.database_admin import DatabaseAdmin

    url = where.url()
    try:
        return DatabaseAdmin(url)
    except BackendError as error:
        raise Failure(str(error), exits.NO_DATABASE) from error
