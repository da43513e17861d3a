"""A W&B server for tests: as much of its protocol as wandb 0.31 speaks in runs and sweeps, in memory, on this machine only."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]
_ENTITY = {"id": "e", "name": "tester"}


@dataclass
class OnlineRun:
    """A run as the server has it.

    Attributes:
        upserts: What it was created and updated with, in order.
        files: Streamed lines by file and number: one that is sent twice is there once.
        uploaded: Whole files, those of its artifacts below ``artifact/``.
        exits: The exit code of each process that said it was done.
        preempting: Whether one said that it was being stopped.
    """

    name: str
    upserts: list[Json] = field(default_factory=list)
    files: dict[str, dict[int, str]] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    preempting: bool = False

    def given(self, key: str) -> Any:
        """The last value that a client gave."""
        return next((u[key] for u in reversed(self.upserts) if u.get(key) is not None), None)

    @property
    def config(self) -> Json:
        return {key: item["value"] for key, item in json.loads(self.given("config")).items() if key != "_wandb"}

    def lines(self, file: str) -> list[str]:
        return [line for _, line in sorted(self.files.get(file, {}).items())]

    @property
    def history(self) -> list[Json]:
        return [json.loads(line) for line in self.lines("wandb-history.jsonl")]

    @property
    def summary(self) -> Json:
        lines = self.lines("wandb-summary.json")
        return dict(json.loads(lines[-1])) if lines else {}


class WandbServer:
    """``with WandbServer() as server``, and ``server.environment`` for its clients.

    Attributes:
        runs: By their ids.
        operations: Names of the GraphQL requests, in order.
        unknown: Requests that it has no answer to.
        broken_after: An operation after which every request fails, as on a server that goes down.
        sweep: The configuration of the one sweep, as sent.
        jobs: The arguments of each of its runs.
    """

    KEY = "0123456789" * 4

    def __init__(self) -> None:
        self.runs: dict[str, OnlineRun] = {}
        self.operations: list[str] = []
        self.unknown: list[str] = []
        self.broken_after = ""
        self.sweep = ""
        self.jobs: list[Json] = []
        self.lock = threading.Lock()
        self._artifacts: list[str] = []  # the run of each
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.environment = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.KEY}

    def __enter__(self) -> WandbServer:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, operation: str, given: Json) -> Json | None:
        """The data of a GraphQL answer; None if the question is not known."""
        self.operations.append(operation)
        method = getattr(self, f"_{operation}", None)
        return None if method is None else method(given)

    def stream(self, name: str, sent: Json) -> None:
        """Takes what a client streams of a run."""
        run = self.runs[name]
        run.preempting |= bool(sent.get("preempting"))
        for file, part in sent.get("files", {}).items():
            run.files.setdefault(file, {}).update(enumerate(part["content"], part["offset"]))
        if sent.get("complete"):
            run.exits.append(sent["exitcode"])

    def _Viewer(self, given: Json) -> Json:
        viewer = {"id": "u", "entity": "tester", "username": "tester", "email": "", "flags": "{}", "admin": False}
        return {"viewer": {**viewer, "teams": {"edges": []}, "apiKeys": {"edges": []}}}

    def _ServerFeaturesQuery(self, given: Json) -> Json:
        return {"serverInfo": {"features": []}}

    def _OrganizationCoreWeaveOrganizationID(self, given: Json) -> Json:
        return {"entity": None}

    def _RunResumeStatus(self, given: Json) -> Json:
        run = self.runs.get(given["name"])
        return {"model": {"id": "p", "name": given["project"], "entity": _ENTITY, "bucket": run and self._bucket(run)}}

    def _UpsertBucket(self, given: Json) -> Json:
        name = given.get("name") or given["id"]
        new = name not in self.runs
        run = self.runs.setdefault(name, OnlineRun(name))
        run.upserts.append(given)
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": new}}

    def _bucket(self, run: OnlineRun) -> Json:
        history, events = run.lines("wandb-history.jsonl"), run.lines("wandb-events.jsonl")
        return {
            "id": run.name, "name": run.name, "displayName": run.given("displayName"), "description": None, "notes": None,
            "config": run.given("config"), "sweepName": run.given("sweep"), "tags": run.given("tags"),
            "wandbConfig": '{"t": 1}', "summaryMetrics": json.dumps(run.summary), "historyLineCount": len(history),
            "eventsLineCount": len(events), "logLineCount": len(run.lines("output.log")),
            "historyTail": json.dumps(history[-1:]), "eventsTail": json.dumps(events[-1:]),
            "project": {"id": "p", "name": run.given("project"), "entity": _ENTITY},
        }  # fmt: skip

    def _CreateRunFiles(self, given: Json) -> Json:
        files = [{"name": name, "uploadUrl": f"{self.url}/put/{given['run']}/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def _ArtifactType(self, given: Json) -> Json:
        return {"project": {"artifact": None}}  # none of that name has another type

    def _CreateArtifact(self, given: Json) -> Json:
        self._artifacts.append(given["input"]["runName"])
        made = {"id": str(len(self._artifacts)), "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def _CreateArtifactManifest(self, given: Json) -> Json:
        file = {"id": "f", "uploadUrl": self._place(given["artifactID"], "manifest.json"), "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": given["artifactID"], "file": file}}}

    def _CreateArtifactFiles(self, given: Json) -> Json:
        nodes = [
            {
                "storagePath": file["name"], "uploadUrl": self._place(file["artifactID"], file["name"]), "uploadHeaders": [],
                "uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]},
            }
            for file in given["input"]["artifactFiles"]
        ]  # fmt: skip
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def _place(self, artifact: str, name: str) -> str:
        return f"{self.url}/put/{self._artifacts[int(artifact) - 1]}/artifact/{name}"

    def _CommitArtifact(self, given: Json) -> Json:
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": "d"}}}

    def _UpsertSweep(self, given: Json) -> Json:
        self.sweep = given["config"]
        for run in json.loads(given["priorRunsFilters"])["$or"] if given.get("priorRunsFilters") else []:
            self.runs[run["name"]].upserts.append({"sweep": "sweep"})
        sweep = {"name": "sweep", "project": {"id": "p", "name": "adain", "entity": _ENTITY}}
        return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}

    def _SweepWithRuns(self, given: Json) -> Json:
        return {"project": {"sweep": {"id": "s", "name": "sweep", "config": self.sweep, "runs": {"edges": []}}}}

    def _CreateAgent(self, given: Json) -> Json:
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _Heartbeat(self, given: Json) -> Json:
        """A job when none runs, in the end the order to leave."""
        commands: list[Json] = []
        if not json.loads(given["runState"]):
            number = self.operations.count("Heartbeat")
            args = {key: {"value": value} for key, value in (self.jobs.pop(0) if self.jobs else {}).items()}
            run = {"type": "run", "run_id": f"job{number}", "args": args, "program": "adain.cli.train"}
            commands = [run if args else {"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news."""


def _handler(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    key = "Basic " + base64.b64encode(f"api:{server.KEY}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.close_connection = "Content-Length" not in self.headers  # sent in chunks, which nobody here reads
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            with server.lock:
                status, content = self._answer(unquote(self.path), raw)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _serve

        def _answer(self, path: str, raw: bytes) -> tuple[int, Json]:
            if server.broken_after in server.operations:
                return 500, {}
            if put := re.fullmatch(r"/put/([^/]+)/(.+)", path):
                server.runs[put[1]].uploaded[put[2]] = raw
                return 200, {}
            if path.startswith("/sdk/otel"):  # W&B's figures of its own client
                return 404, {}
            if self.headers.get("Authorization") != key:
                return 401, {"errors": [{"message": "invalid key"}]}
            if stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path):
                server.stream(stream[1], json.loads(raw))
                return 200, {"exitcode": None, "limits": {}}
            if path == "/graphql":
                sent = json.loads(raw)
                named = re.search(r"(?:query|mutation)\s+(\w+)", sent["query"])
                data = server.answer(named[1] if named else sent["query"], sent.get("variables") or {})
                if data is not None:
                    return 200, {"data": data}
            server.unknown.append(f"{path} {raw[:200]!r}")
            return 404, {"errors": [{"message": "this server has no answer to that"}]}

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler
