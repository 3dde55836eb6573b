"""A short life of a webhook, with the client that openapi-python-client generates.

Takes from the environment HOOKPOST_URL and HOOKPOST_TOKEN. Prints the number of checks that it made. What
`mypy --strict` accepts is checked as well: every field below has the type that the document says.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from hookpost_client import AuthenticatedClient
from hookpost_client.api.deliveries import deliveries_list
from hookpost_client.api.endpoints import endpoints_create, endpoints_delete, endpoints_get, endpoints_list
from hookpost_client.api.events import events_get, events_publish, events_redeliver
from hookpost_client.models import (
    AuthenticationError,
    Error,
    Message,
    MessageEvent,
    MessagePublish,
    Problem,
    RequestValidationError,
    WebhookDeliveryList,
    WebhookEndpoint,
    WebhookEndpointCreate,
    WebhookEndpointList,
    WebhookEvent,
    WebhookFormat,
)

# The longest time for a delivery to arrive and to be listed.
DEADLINE_S = 30
POLL_S = 0.05

T = TypeVar("T")
checks = 0


def check(condition: bool, about: object) -> None:
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"python client: {about}")


def read_as(kind: type[T], value: object) -> T:
    check(isinstance(value, kind), f"expected {kind.__name__}, not {value!r}")
    assert isinstance(value, kind)
    return value


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"python client: waited {DEADLINE_S} s for {what}")
        time.sleep(POLL_S)


received: list[tuple[str, dict[str, object]]] = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        received.append((self.headers["webhook-id"], json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def flow(client: AuthenticatedClient, receiver_url: str) -> None:
    new = WebhookEndpointCreate(url=receiver_url, format_=WebhookFormat.RAW, events=["order.*"])
    created = endpoints_create.sync_detailed(client=client, body=new)
    check(created.status_code == HTTPStatus.CREATED, created)
    endpoint = read_as(WebhookEndpoint, created.parsed)
    check(endpoint.format_ == "raw" and endpoint.disabled_reason is None, endpoint)

    page = read_as(WebhookEndpointList, endpoints_list.sync(client=client, limit=100))
    check(endpoint.id in [it.id for it in page.data] and page.meta.total >= 1, page)

    publish = MessagePublish(type_="order.created", data={"id": "ord_1001"})
    first = events_publish.sync_detailed(client=client, body=publish, idempotency_key="python-1")
    again = events_publish.sync_detailed(client=client, body=publish, idempotency_key="python-1")
    message = read_as(Message, first.parsed)
    check(read_as(Message, again.parsed).id == message.id, again)
    check("Idempotent-Replayed" not in first.headers and again.headers["Idempotent-Replayed"] == "true", again)
    check([it.webhook_endpoint_id for it in message.events] == [endpoint.id], message)
    event_id = message.events[0].id

    def deliveries() -> WebhookDeliveryList:
        return read_as(WebhookDeliveryList, deliveries_list.sync(client=client, endpoint_id=[endpoint.id]))

    wait_for("the delivery", lambda: deliveries().meta.total == 1)
    delivery = deliveries().data[0]
    check(delivery.succeeded and delivery.http_code == 204 and delivery.error is None, delivery)
    check(delivery.webhook_event.id == event_id, delivery)
    check(received[0][0] == str(event_id) and received[0][1]["data"] == {"id": "ord_1001"}, received)
    event = read_as(WebhookEvent, events_get.sync(event_id, client=client))
    check(event.succeeded is True and event.attempts == 1, event)

    redelivered = events_redeliver.sync_detailed(event_id, client=client)
    check(redelivered.status_code == HTTPStatus.ACCEPTED, redelivered)
    wait_for("the second delivery", lambda: deliveries().meta.total == 2)
    check([it[0] for it in received] == [str(event_id)] * 2, received)

    wrong = WebhookEndpointCreate(url="ftp://example.com", format_=WebhookFormat.RAW, events=["order.*", "no type"])
    refused = endpoints_create.sync_detailed(client=client, body=wrong)
    check(refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, refused)
    detail = read_as(RequestValidationError, refused.parsed).detail
    check(all(isinstance(it, Problem) for it in detail), detail)
    check([it.loc for it in detail] == [["body", "url"], ["body", "events", 1]], detail)
    check(detail[0].type_ == "url_scheme" and detail[0].input_ == "ftp://example.com", detail)

    stranger = client.__class__(base_url=os.environ["HOOKPOST_URL"], token="nobody")
    read_as(AuthenticationError, endpoints_list.sync(client=stranger))

    deleted = endpoints_delete.sync_detailed(endpoint.id, client=client)
    check(deleted.status_code == HTTPStatus.NO_CONTENT, deleted)
    gone = endpoints_get.sync_detailed(endpoint.id, client=client)
    check(gone.status_code == HTTPStatus.NOT_FOUND, gone)
    check(read_as(Error, gone.parsed).error == "ResourceNotFound", gone)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = AuthenticatedClient(base_url=os.environ["HOOKPOST_URL"], token=os.environ["HOOKPOST_TOKEN"])
    with client:
        flow(client, f"http://127.0.0.1:{server.server_port}/hook")
    server.shutdown()
    print(checks)


main()
