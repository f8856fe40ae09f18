"""`errands migrate`, and what a server says to a database that needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from errands_server.__main__ import migrate
from errands_server.app import running
from errands_server.config import Config
from errands_server.store.schema.migrate import HEAD, SchemaOutdated
from tests.databases import empty_database
from tests.store.databases import postgres_only, sqlite_only


def test_it_brings_a_database_up_to_date_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = empty_database(tmp_path)

    assert migrate(["--database", url]) == 0
    assert capsys.readouterr().out == f"errands: the database now has schema {HEAD}\n"
    assert migrate(["--database", url]) == 0
    assert capsys.readouterr().out == f"errands: the database already had schema {HEAD}\n"


@sqlite_only
def test_without_an_url_it_is_the_database_of_the_data_folder(tmp_path: Path) -> None:
    assert migrate(["--data", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "errands.db").exists()


@pytest.mark.parametrize("url", ["mysql://u:secret@host/name", "secret", "postgresql:secret"])
def test_what_is_no_url_of_a_database_is_refused_and_not_repeated(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        migrate(["--database", url])

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "--database" in said
    assert "secret" not in said


def test_a_database_that_is_away_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg")

    assert migrate(["--database", "postgresql://user:secret@127.0.0.1:1/name"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("errands: the database cannot be used: ")
    assert "secret" not in said


@postgres_only
async def test_a_server_on_postgresql_refuses_a_schema_it_does_not_know(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data", database=empty_database(tmp_path))

    with pytest.raises(SchemaOutdated, match="run `errands migrate`"):
        async with running(config):
            pass
