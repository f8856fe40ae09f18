"""One server per data folder: a second is refused and says why."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from errands_server.app import FolderInUse
from tests.service import PATIENCE, serving
from tests.store.databases import sqlite_only

pytestmark = sqlite_only


async def test_a_second_server_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "data"):
        with pytest.raises(FolderInUse, match=f"{tmp_path / 'data'}.*--data"):
            async with serving(tmp_path / "data"):
                pass
        async with serving(tmp_path / "other"):
            pass


async def test_the_folder_is_free_once_its_server_has_stopped(tmp_path: Path) -> None:
    for _ in range(2):
        async with serving(tmp_path / "data"):
            pass


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("nowhere/key", "No such file or directory"),
        ("folder", "Is a directory"),
        ("damaged", "a secret key is 32 random bytes in base64url.*"),
    ],
)
async def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, file: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "damaged").write_text("no key")

    with pytest.raises(
        ValueError, match=rf"^no secret key in {tmp_path / file} \(--secret-key-file\): {why}$"
    ):
        async with serving(tmp_path / "data", secret_key_file=tmp_path / file):
            pass


async def test_a_key_of_the_environment_that_is_none_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no secret key in ERRANDS_SECRET_KEY: ") as refused:
        async with serving(tmp_path / "data", secret_key="c2hvcnQ"):
            pass

    assert "c2hvcnQ" not in str(refused.value)


async def test_a_second_serve_exits_1_and_says_why(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ERRANDS_")}
    flags = ("--data", str(data), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
    async with serving(data), asyncio.timeout(PATIENCE):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "errands_server",
            "serve",
            *flags,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        output, errors = await process.communicate()

    assert process.returncode == 1
    assert output == b""
    assert errors.decode() == (
        f"errands: another server works on {data}; stop it, or choose another --data\n"
    )
