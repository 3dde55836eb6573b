// A short life of a webhook, with the types that openapi-typescript generates and the client of openapi-fetch.
//
// Takes from the environment HOOKPOST_URL and HOOKPOST_TOKEN. Prints the number of checks that it made. What
// `tsc --strict` accepts is checked as well: every field below has the type that the document says.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];

/** The longest time for a delivery to arrive and to be listed. */
const DEADLINE_MS = 30_000;
const POLL_MS = 50;

let checks = 0;

function check(condition: boolean, about: unknown): asserts condition {
  checks += 1;
  if (!condition) {
    throw new Error(`typescript client: ${JSON.stringify(about)}`);
  }
}

/** Returns the value, which is there. */
function present<T>(value: T | undefined, about: unknown): T {
  check(value !== undefined, about);
  return value;
}

async function waitFor(what: string, ready: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await ready())) {
    check(Date.now() < end, `waited ${DEADLINE_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function variable(name: string): string {
  return present(process.env[name], `${name} is not set`);
}

const received: { id: string; body: Schemas["RawWebhook"] }[] = [];
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Schemas["RawWebhook"];
    received.push({ id: String(request.headers["webhook-id"]), body });
    response.writeHead(204).end();
  });
});

async function flow(receiverUrl: string): Promise<void> {
  const baseUrl = variable("HOOKPOST_URL");
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${variable("HOOKPOST_TOKEN")}` } });

  const format: Schemas["WebhookFormat"] = "raw";
  const created = await client.POST("/api/webhooks/endpoints", {
    body: { url: receiverUrl, format, events: ["order.*"] },
  });
  const endpoint: Schemas["WebhookEndpoint"] = present(created.data, created.error);
  const reason: string | null = endpoint.disabled_reason;
  check(created.response.status === 201 && reason === null && endpoint.format === "raw", endpoint);

  const listed = await client.GET("/api/webhooks/endpoints", { params: { query: { limit: 100 } } });
  const page = present(listed.data, listed.error);
  check(page.data.some((it) => it.id === endpoint.id) && page.meta.total >= 1, page);

  const publish = () =>
    client.POST("/api/webhooks/events", {
      params: { header: { "Idempotency-Key": "typescript-1" } },
      body: { type: "order.created", data: { id: "ord_1001" } },
    });
  const first = await publish();
  const again = await publish();
  const message = present(first.data, first.error);
  check(present(again.data, again.error).id === message.id, again.data);
  check(first.response.headers.get("Idempotent-Replayed") === null, message);
  check(again.response.headers.get("Idempotent-Replayed") === "true", message);
  const published = present(message.events[0], message);
  check(message.events.length === 1 && published.webhook_endpoint_id === endpoint.id, message);
  const byId = { params: { path: { id: published.id } } };

  const deliveries = async () => {
    const query = { endpoint_id: [endpoint.id] };
    const answer = await client.GET("/api/webhooks/deliveries", { params: { query } });
    return present(answer.data, answer.error);
  };
  await waitFor("the delivery", async () => (await deliveries()).meta.total === 1);
  const delivery = present((await deliveries()).data[0], "the list is empty");
  const error: string | null = delivery.error;
  check(delivery.succeeded && delivery.http_code === 204 && error === null, delivery);
  check(delivery.webhook_event.id === published.id, delivery);
  check(received[0]?.id === published.id && received[0].body.type === "order.created", received);
  const event = await client.GET("/api/webhooks/events/{id}", byId);
  check(event.data?.succeeded === true && event.data.attempts === 1, event.data);

  const redelivered = await client.POST("/api/webhooks/events/{id}/redeliver", byId);
  check(redelivered.response.status === 202, redelivered.error);
  await waitFor("the second delivery", async () => (await deliveries()).meta.total === 2);
  check(received.length === 2 && received[1]?.id === published.id, received);

  const refused = await client.POST("/api/webhooks/endpoints", {
    body: { url: "ftp://example.com", format, events: ["order.*", "no type"] },
  });
  const failure = present(refused.error, refused.data);
  check(refused.response.status === 422 && "detail" in failure && typeof failure.detail !== "string", failure);
  const problems: Schemas["Problem"][] = failure.detail;
  const places = problems.map((it) => it.loc.join("."));
  check(places.join(" ") === "body.url body.events.1", problems);
  check(problems[0]?.type === "url_scheme" && problems[0].input === "ftp://example.com", problems);

  const stranger = createClient<paths>({ baseUrl, headers: { Authorization: "Bearer nobody" } });
  const unknown = await stranger.GET("/api/webhooks/endpoints");
  check(unknown.error?.error === "invalid_token", unknown.error);

  const ofEndpoint = { params: { path: { id: endpoint.id } } };
  const deleted = await client.DELETE("/api/webhooks/endpoints/{id}", ofEndpoint);
  check(deleted.response.status === 204, deleted.error);
  const gone = await client.GET("/api/webhooks/endpoints/{id}", ofEndpoint);
  check(gone.response.status === 404 && gone.error?.error === "ResourceNotFound", gone.error);
}

receiver.listen(0, "127.0.0.1", async () => {
  const { port } = receiver.address() as AddressInfo;
  try {
    await flow(`http://127.0.0.1:${port}/hook`);
    console.log(checks);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
});
