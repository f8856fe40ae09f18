"""`python -m tests.gateway.fuzz`: thousands of requests, made from the gateway's own document."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from msgspec import Struct, field

from errands.server_process import configure_log
from errands_gateway.v1.operations import OPERATIONS
from tests.gateway.fuzz.stage import stage
from tests.service import Service

_HERE = Path(__file__).parent
SEED = 20271031
PHASES = "examples,coverage,fuzzing,stateful"
_CASES = re.compile(r"(\d+) generated")


class Fuzzed(Struct):
    """What Schemathesis said, round by round, and how it was answered."""

    status: int = 0
    text: str = ""
    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)  # by operation and HTTP status
    dropped: Counter[str] = field(default_factory=Counter)  # what was no failure, by what the gateway said

    def add(self, status: int, text: str, told: list[dict[str, int]]) -> None:
        """Another round."""
        found = _CASES.search(text)
        self.status = self.status or status
        self.text += text
        self.cases += int(found[1]) if found else 0
        self.answers.update(told[0])
        self.dropped.update(told[1])

    @property
    def never_succeeded(self) -> list[str]:
        """Operations none of whose answers was a success: there a fuzzer proves little."""
        good = {name for name, _, status in (key.partition(" ") for key in self.answers) if status < "300"}
        return sorted({operation.id for operation in OPERATIONS} - good)


async def fuzz(*, examples: int, seed: int = SEED, phases: str = PHASES, walks: int = 0) -> Fuzzed:
    """Let Schemathesis ask a server: `examples` requests of each operation, then walks along its links.

    Walks end where the server's state, which outlives them, surprises the generator; so there are several.
    """
    rounds = [(seed, phases), *((seed + number, "stateful") for number in range(1, walks + 1))]
    fuzzed = Fuzzed()
    with tempfile.TemporaryDirectory(prefix="errands-fuzz-") as folder:
        async with stage(Path(folder) / "data") as (service, found):
            for number, (own, names) in enumerate(rounds):
                answers = Path(folder) / f"{number}.json"
                flags = ("--max-examples", str(examples), "--seed", str(own), "--phases", names)
                status, text = await _schemathesis(service, found, answers, *flags)
                fuzzed.add(status, text, json.loads(answers.read_text()) if answers.exists() else [{}, {}])
    return fuzzed


async def _schemathesis(service: Service, found: object, answers: Path, *flags: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml")),
        *("run", f"http://{service.app.http_address}/openapi.json", "--no-color", *flags),
        cwd=_HERE.parents[2],
        env={
            **os.environ,
            "ERRANDS_FUZZ": json.dumps(found),
            "ERRANDS_FUZZ_ANSWERS": str(answers),
            "ERRANDS_FUZZ_KEY": service.key,
            "SCHEMATHESIS_HOOKS": "tests.gateway.fuzz.hooks",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="of each operation (100)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--walks", type=int, default=8, help="rounds along the links (8)")
    given = parser.parse_args()
    configure_log("error")
    fuzzed = asyncio.run(fuzz(examples=given.examples, seed=given.seed, walks=given.walks))
    print(fuzzed.text)
    for name, count in sorted(fuzzed.answers.items()):
        print(f"{count:6}  {name}")
    print("refused by the state of things, which is no failure:", dict(fuzzed.dropped))
    print("never succeeded:", ", ".join(fuzzed.never_succeeded) or "none")
    print(f"{fuzzed.cases} cases, {'no failure' if not fuzzed.status else 'FAILURES'}")
    return fuzzed.status or int(bool(fuzzed.never_succeeded))


if __name__ == "__main__":
    sys.exit(main())
