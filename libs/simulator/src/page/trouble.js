// What is to go wrong: orders for the platform's API, its webhooks and its statuses.

import { byId } from "/phone/bubbles.js";

const form = byId("trouble-form");
const told = byId("trouble-told");
const number = (name) => Number(form.elements[name].value) || 0;

const ANSWERS = {
  429: { kind: "status", status: 429 },
  500: { kind: "status", status: 500, retry_after: null },
  503: { kind: "status", status: 503, retry_after: null },
  after: { kind: "status_after", status: 500 },
  delay: { kind: "delay", ms: 5000 },
  cut: { kind: "cut_before" },
  "cut-after": { kind: "cut_after" },
};

async function ask(method, body) {
  const response = await fetch("/simulator/faults", { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
  if (response.ok) return true;
  const words = await response.json().catch(() => ({}));
  told.textContent = words.error ?? `refused (${response.status})`;
  return false;
}

async function order(platform) {
  const body = { platform, api: [], webhooks: {
    sign: form.elements.sign.value, delay_ms: number("delay"), copies: Math.max(1, number("copies")),
    gather_ms: form.elements.gathered.value === "none" ? 0 : number("gather"),
    gathered: form.elements.gathered.value === "reverse" ? "reverse" : "batch",
  } };
  const answer = ANSWERS[form.elements.answer.value];
  if (answer) {
    const fault = answer.status === 429 ? { ...answer, retry_after: number("wait") } : answer;
    body.api.push({ operation: "", times: Math.max(1, number("times")), fault });
  }
  if (platform !== "telegram") {
    body.statuses = { delay_ms: number("status-delay") };
    if (platform === "meta") Object.assign(body.statuses, { order: form.elements.order.value, copies: number("status-copies") });
  }
  if (await ask("POST", body)) {
    form.elements.answer.value = "right";
    await show(platform);
  }
}

/** Shows how things stand on this platform. */
export async function show(platform) {
  const all = await (await fetch("/simulator/faults")).json().catch(() => ({}));
  const now = all[platform];
  if (!now) return;
  byId("statuses").hidden = now.statuses === null;
  for (const one of form.querySelectorAll(".only-meta")) one.hidden = platform !== "meta";
  form.elements.sign.value = now.webhooks.sign;
  form.elements.delay.value = now.webhooks.delay_ms;
  form.elements.copies.value = now.webhooks.copies;
  form.elements.gathered.value = now.webhooks.gather_ms ? now.webhooks.gathered : "none";
  if (now.webhooks.gather_ms) form.elements.gather.value = now.webhooks.gather_ms;
  if (now.statuses) {
    form.elements["status-delay"].value = now.statuses.delay_ms;
    form.elements.order.value = now.statuses.order;
    form.elements["status-copies"].value = now.statuses.copies;
  }
  told.textContent = now.api ? `${now.api} orders wait for calls` : "";
}

/** `platform()` gives the name of the one that is shown. */
export function start(platform) {
  form.addEventListener("submit", (event) => { event.preventDefault(); order(platform()); });
  byId("trouble-clear").addEventListener("click", async () => {
    if (await ask("DELETE")) await show(platform());
  });
}
