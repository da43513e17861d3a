"""The only addresses that the page has, and what may be sent to each: everything else of gradio's server stays closed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.block_function import BlockFunction
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from adain.demo.files import Files
from adain.demo.guard import App, Message, Receive, Refused, Send
from adain.demo.line import Line

_READ_ONLY = (
    "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/assets/{path:path}", "/static/{path:path}",
    "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/heartbeat/{session}",
)  # fmt: skip
_SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
_SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")  # by the browser; others are downloads


def doors(page: gr.Blocks, server: App, files: Files, line: Line, max_bytes: int) -> list[Route]:
    """Return the page's routes.

    Args:
        page: Whose events may be called.
        server: gradio's.
        files: Where uploads go.
        line: Who may wait.
        max_bytes: Of an uploaded file.
    """

    async def upload(request: Request) -> Response:
        form = await request.form(max_files=4, max_fields=4)
        given = [item for item in form.getlist("files") if isinstance(item, UploadFile)]
        if any((item.size or 0) > max_bytes for item in given):
            return PlainTextResponse(f"The file is too large: give one of at most {max_bytes / 2**20:.0f} MB.", 413)
        if not given:
            raise Refused(422, "Send the files as multipart/form-data, each in a field called files, with its name.")
        paths = [await run_in_threadpool(_save, item, files, _visitor(request)) for item in given]
        await run_in_threadpool(files.trim)
        return JSONResponse([str(path) for path in paths])

    async def uploaded(_: Request) -> Response:
        return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")  # the page shows its own bar

    async def file(request: Request) -> Response:
        path = files.find(request.path_params["path"])
        if path is None:
            return PlainTextResponse("There is no such file.", 404)
        answer = FileResponse(path)
        if answer.media_type not in _SHOWN:
            answer.headers["content-disposition"] = "attachment"
        return answer

    async def join(request: Request) -> App:
        body = await _json(request)
        number, session = body.get("fn_index"), body.get("session_hash")
        fn = page.fns.get(number) if type(number) is int else None
        if fn is None:
            raise Refused(422, "fn_index is the number of no event of this page.")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise Refused(422, "session_hash must be 1 to 64 letters and digits.")
        trigger = body.get("trigger_id")
        passed = {
            "fn_index": number,
            "session_hash": session,
            "trigger_id": trigger if type(trigger) is int else None,
            "event_data": _event_data(body.get("event_data")),
            "data": _inputs(fn, body.get("data"), files),
        }
        await line.admit(fn, _visitor(request), session)
        return _passed(server, passed)

    async def call(request: Request) -> App:
        fn = next(fn for fn in page.fns.values() if fn.api_name == "stylize")
        passed = {"data": _inputs(fn, (await _json(request)).get("data"), files)}
        await line.admit(fn, _visitor(request), None)
        return _passed(server, passed)

    async def stream(request: Request) -> App:
        event = line.queue.event_ids_to_events.get(request.path_params["event"])
        if event is None or not event.streaming:
            raise Refused(404, "This stream has ended.")
        data = _inputs(event.fn, (await _json(request)).get("data"), files)
        return _passed(server, {"fn_index": event.fn._id, "session_hash": event.session_hash, "data": data})

    async def close(_: Request) -> App:
        return _passed(server, {})

    async def listen(request: Request) -> App:
        session = request.path_params.get("event") or request.query_params.get("session_hash", "")
        if session not in line:
            raise Refused(404, "Nothing is waiting under this number: ask again.")

        async def heard(scope: Message, receive: Receive, send: Send) -> None:
            with line.listening(session):
                await server(scope, receive, send)

        return heard

    get, post = ["GET"], ["POST"]
    return [
        *(Route(path, server, methods=get) for path in _READ_ONLY),
        Route("/gradio_api/file={path:path}", file, methods=get),
        Route("/gradio_api/upload", upload, methods=post),
        Route("/gradio_api/upload_progress", uploaded, methods=get),
        Route("/gradio_api/queue/join", join, methods=post),
        Route("/gradio_api/queue/data", listen, methods=get),
        Route("/gradio_api/call/stylize", call, methods=post),
        Route("/gradio_api/call/stylize/{event}", listen, methods=get),
        Route("/gradio_api/stream/{event}", stream, methods=post),
        Route("/gradio_api/stream/{event}/close", close, methods=post),
    ]


async def tell(_: Request, refused: Exception) -> Response:
    """Answer a refusal, or a request that broke off, in the form in which gradio's page and clients show it."""
    status, text = (refused.status, refused.text) if isinstance(refused, Refused) else (400, "The request broke off.")
    return JSONResponse({"detail": text, "error": text}, status)


def _passed(server: App, body: dict[str, Any]) -> App:
    """Return the server as one that is asked with a body of ours."""
    content = json.dumps(body).encode()

    async def ask(scope: Message, receive: Receive, send: Send) -> None:
        kept = [(name, value) for name, value in scope["headers"] if not name.startswith(b"content-")]
        length = (b"content-length", str(len(content)).encode())
        unsent: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def once() -> Message:
            return unsent.pop() if unsent else await receive()

        headers = [*kept, length, (b"content-type", b"application/json")]
        await server({**scope, "headers": headers}, once, send)

    return ask


def _visitor(request: Request) -> str:
    return request.client.host if request.client else ""


def _save(item: UploadFile, files: Files, visitor: str) -> Path:
    path = files.upload(visitor, item.filename or "")
    with path.open("wb") as out:
        shutil.copyfileobj(item.file, out)
    return path


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refused(400, "The request is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused(422, "The request must be a JSON object.")
    return body


def _event_data(given: object) -> dict[str, Any] | None:
    """Return which item was clicked, if the event says so."""
    index = given.get("index") if isinstance(given, dict) else None
    return {"index": index, "value": None} if type(index) is int else None


def _inputs(fn: BlockFunction, given: object, files: Files) -> list[Any]:
    """Return an event's inputs; those left out at the end have their defaults.

    Raises:
        Refused: If they are not those of its components.
    """
    components = cast(list[Any], fn.inputs)
    if not isinstance(given, list) or len(given) > len(components):
        names = ", ".join(component.label for component in components)
        raise Refused(422, f"data must be a list of at most {len(components)} values ({names}).")
    values = given + [component.value for component in components[len(given) :]]
    return [_input(component, value, files) for component, value in zip(components, values, strict=True)]


def _input(component: Any, value: Any, files: Files) -> Any:
    what = f"{component.label}:"
    if isinstance(component, gr.Image):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Refused(422, f"{what} give an uploaded picture, as an object with its path.")
        if isinstance(value.get("url"), str) and value["url"].startswith("data:"):
            return {"url": value["url"]}
        path = files.find(value.get("path"))
        if path is None:
            raise Refused(422, f"{what} this picture is no longer here, or was never uploaded. Upload it again.")
        return {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    if isinstance(component, gr.Slider):
        low, high = component.minimum, component.maximum
        if type(value) not in (int, float) or not low <= value <= high:  # nor NaN
            raise Refused(422, f"{what} give a number from {low:g} to {high:g}.")
    elif isinstance(component, gr.Radio):
        choices = [choice for _, choice in component.choices]
        if value not in choices:
            raise Refused(422, f"{what} give one of {', '.join(map(str, choices))}.")
    elif not isinstance(value, str):
        raise Refused(422, f"{what} give a text.")
    return value
