"""Migrations: they end at the schema of `tables`, and a server takes no other."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from errands_server.store.database import sync_engine
from errands_server.store.schema.migrate import HEAD, SchemaOutdated, find_revision, migrate, require
from errands_server.store.schema.tables import metadata
from errands_server.store.store import Store
from tests.store.databases import Told, sqlite_only


@pytest.fixture
def engine(url: str) -> Any:
    engine = sync_engine(url)
    yield engine
    engine.dispose()


def test_migrations_give_exactly_the_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []
        assert {index["name"] for t in metadata.tables for index in inspect(connection).get_indexes(t)} >= {
            index.name for table in metadata.sorted_tables for index in table.indexes
        }


@sqlite_only
def test_migrations_give_the_same_constraints_as_the_tables(engine: Engine, tmp_path: Any) -> None:
    with engine.begin() as connection:
        migrate(connection)
        migrated = _described(connection)
    fresh = sync_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    with fresh.begin() as connection:
        metadata.create_all(connection)

        assert migrated == _described(connection)


def _described(connection: Connection) -> dict[str, Any]:
    """What comparing metadata passes over: checks, references, keys, partial indexes, row ids."""
    found = inspect(connection)
    indexes = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    tables = connection.execute(text("SELECT name, wr FROM pragma_table_list WHERE type = 'table'"))
    return {
        "indexes": {name: " ".join((sql or "").split()) for name, sql in indexes if "alembic" not in name},
        "without row id": {name: wr for name, wr in tables if name in metadata.tables},
        **{
            table: (
                sorted(found.get_check_constraints(table), key=str),
                sorted(found.get_foreign_keys(table), key=str),
                found.get_pk_constraint(table),
                sorted(found.get_unique_constraints(table), key=str),
                [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)],
            )
            for table in metadata.tables
        },
    }


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        migrate(connection)

        assert find_revision(connection) == HEAD
        require(connection)


def test_an_empty_database_is_refused_with_what_to_do(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(SchemaOutdated, match=r"schema none.*`errands migrate`"):
        require(connection)


@pytest.mark.parametrize("version", ["0000", "9999"])
def test_another_schema_is_refused(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})

        with pytest.raises(SchemaOutdated, match=rf"schema {version}.*needs {HEAD}.*`errands migrate`"):
            require(connection)


def test_a_newer_schema_is_not_migrated(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        with pytest.raises(SchemaOutdated, match="newer release"):
            migrate(connection)


@sqlite_only
def test_a_migration_that_fails_leaves_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE run_integrations (mine INTEGER)"))
    with (
        pytest.raises(Exception, match="already exists"),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        migrate(connection)

    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["run_integrations"]


async def test_a_store_migrates_only_where_it_may(url: str) -> None:
    with pytest.raises(SchemaOutdated, match="errands migrate"):
        await Store.open(url, Told(), migrate=False)

    await (await Store.open(url, Told())).close()
    await (await Store.open(url, Told(), migrate=False)).close()
