"""The ceiling E: a raw grpc.aio echo on uvloop, one process, no interceptor."""

from __future__ import annotations

import asyncio
import sys

import grpc
import uvloop
from grpc import aio


async def _echo(request: bytes, _: aio.ServicerContext) -> bytes:
    return request


async def main() -> None:
    server = aio.server()
    method = grpc.unary_unary_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Echo": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready grpc=127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # it ends with the benchmark
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(main())
