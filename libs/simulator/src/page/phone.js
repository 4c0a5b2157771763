// The phone page: shows the chat that the fake platform keeps, posts what the person does, and what happened inside.

const byId = (id) => document.getElementById(id);
const chat = byId("chat");
const state = byId("state");
const text = byId("text");
const sheet = byId("sheet");
const TICKS = { sending: ["◷", "sending"], sent: ["✓", "sent"], delivered: ["✓✓", "delivered"], read: ["✓✓", "read"], failed: ["! not sent", "failed"] };
const WHAT = { image: "📷 Picture", voice: "🎤 Voice message", audio: "🎵 Audio", video: "🎬 Video", document: "📄 Document", sticker: "🙂 Sticker", location: "📍 Location" };
const TYPING_MS = 25_000; // as long as the platform shows it

let peer = "";
let source = null;
let shown = new Map(); // message id -> its list item, to change only what changed
let bubbles = [];
let typingTimer = 0;

/** Makes an element; strings become text, never HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  if (!response.ok) state.textContent = `not sent (${response.status})`;
}

const say = (said) => post(`/phone/chat/${peer}`, said);

function look() {
  if (document.visibilityState === "visible" && bubbles.some((one) => !one.mine && one.tick === "delivered")) {
    post(`/phone/chat/${peer}/look`);
  }
}

const clock = (micros) => new Date(micros / 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

function tickOf(bubble) {
  const [sign, word] = TICKS[bubble.tick] ?? ["", bubble.tick];
  return [make("span", { class: `tick ${bubble.tick}`, "aria-hidden": "true" }, sign), make("span", { class: "hidden" }, word)];
}

function openSheet(bubble) {
  byId("sheet-title").textContent = bubble.button || "Choose";
  const choose = (row) => {
    sheet.close();
    say({ type: "row", id: row.id, title: row.title, description: row.description ?? null, quoted: bubble.id });
  };
  byId("rows").replaceChildren(
    ...bubble.rows.map((row) =>
      make("button", { type: "button", onclick: () => choose(row) }, row.title, row.description ? make("small", {}, row.description) : null),
    ),
  );
  sheet.showModal();
}

function draw(bubble) {
  const quoted = bubbles.find((one) => one.id === bubble.quoted);
  const body = make("div", { class: "bubble" });
  body.append(make("span", { class: "hidden" }, bubble.mine ? "You: " : "They: "));
  if (quoted) body.append(make("p", { class: "quote" }, quoted.text));
  if (bubble.kind === "other") body.append(make("p", { class: "words" }, WHAT[bubble.what] ?? bubble.what));
  if (bubble.text) body.append(make("p", { class: "words" }, bubble.text));
  body.append(make("p", { class: "foot" }, clock(bubble.at), ...tickOf(bubble)));
  const item = make("li", { class: bubble.mine ? "mine" : "theirs", "data-id": bubble.id, "data-tick": bubble.tick }, body);
  if (bubble.kind === "buttons") {
    item.append(
      make("div", { class: "choices", role: "group", "aria-label": "Answers" },
        ...bubble.buttons.map((button) =>
          make("button", { type: "button", onclick: () => say({ type: "button", id: button.id, title: button.title, quoted: bubble.id }) }, button.title),
        )),
    );
  }
  if (bubble.kind === "list") {
    item.append(make("button", { type: "button", class: "open", "aria-haspopup": "dialog", onclick: () => openSheet(bubble) }, `☰ ${bubble.button}`));
  }
  return item;
}

function showTyping() {
  clearTimeout(typingTimer);
  chat.querySelector(".typing")?.remove();
  const last = bubbles.at(-1);
  const waits = last?.mine && (last.tick === "read" || last.tick === "delivered");
  const left = waits ? TYPING_MS - (Date.now() - last.at / 1000) : 0;
  if (left <= 0) return;
  const dots = make("div", { class: "bubble" }, make("i"), make("i"), make("i"), make("span", { class: "hidden" }, "typing"));
  chat.append(make("li", { class: "theirs typing", "aria-live": "off" }, dots));
  typingTimer = setTimeout(showTyping, left);
}

function showChat(told) {
  bubbles = told.bubbles;
  const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 120;
  let added = false;
  for (const bubble of bubbles) {
    const key = `${bubble.id}/${bubble.mine}/${bubble.at}`;
    const known = shown.get(key);
    if (!known) {
      const item = draw(bubble);
      shown.set(key, item);
      chat.append(item);
      added = true;
    } else if (known.dataset.tick !== bubble.tick) {
      known.dataset.tick = bubble.tick;
      known.querySelector(".foot").replaceChildren(clock(bubble.at), ...tickOf(bubble));
    }
  }
  showTyping();
  byId("suggestions").hidden = bubbles.length > 0;
  if (atEnd || (added && bubbles.at(-1)?.mine)) chat.scrollTop = chat.scrollHeight;
  look();
}

const milliseconds = (value) => (typeof value === "number" ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : "");

function drawTurn(turn) {
  const known = new Set(["at", "said", "language", "outcome", "took_ms", "candidates", "calls", "steps", "id"]);
  const facts = [turn.language, turn.outcome, milliseconds(turn.took_ms), turn.at && new Date(turn.at).toLocaleTimeString([], { hourCycle: "h23" })].filter(Boolean).join(" · ");
  const block = make("article", { class: "turn" }, make("h3", {}, turn.said ? `“${turn.said}”` : "Turn"), make("p", { class: "facts" }, facts));
  const candidates = turn.candidates ?? [];
  if (candidates.length) {
    const most = Math.max(...candidates.map((one) => Number(one.probability ?? one.score) || 0), 1e-9);
    const scale = Math.max(1, most);
    block.append(make("h4", {}, "Candidates"), make("ol", { class: "candidates" }, ...candidates.map((one) => {
      const value = Number(one.probability ?? one.score) || 0;
      return make("li", { class: one.chosen ? "chosen" : "" },
        make("div", { class: "name" }, `${one.chosen ? "✓ " : ""}${one.title || one.operation}`, make("span", {}, one.operation)),
        make("meter", { min: 0, max: scale, value, "aria-label": `score of ${one.title || one.operation}` }),
        make("div", { class: "number" }, value.toFixed(2)));
    })));
  }
  if (turn.calls?.length) {
    block.append(make("h4", {}, "Calls"), make("ol", { class: "calls" }, ...turn.calls.map((call) => {
      const bad = !(call.status >= 200 && call.status < 300);
      const facts = [call.purpose, call.outcome, milliseconds(call.took_ms)].filter(Boolean).join(" · ");
      return make("li", {},
        make("div", { class: "row" }, make("code", {}, call.url ? `${call.method ?? ""} ${call.url}`.trim() : call.operation),
          make("span", { class: bad ? "badge bad" : "badge" }, String(call.status || "no answer"))),
        make("div", { class: "facts" }, facts));
    })));
  }
  if (turn.steps?.length) {
    block.append(make("h4", {}, "Timings"), make("ol", { class: "steps" },
      ...turn.steps.map((step) => make("li", {}, step.name, make("span", { class: "number" }, milliseconds(step.took_ms))))));
  }
  const rest = Object.fromEntries(Object.entries(turn).filter(([key]) => !known.has(key)));
  if (Object.keys(rest).length) block.append(make("details", {}, make("summary", {}, "More"), make("pre", {}, JSON.stringify(rest, null, 1))));
  return block;
}

function showInside(told) {
  const turns = told?.turns ?? [];
  if (turns.length) byId("inside").replaceChildren(...turns.map(drawTurn));
  else byId("inside").replaceChildren(make("p", { class: "empty" }, "Write something; the candidates, calls and timings of each turn appear here."));
}

function connect() {
  source?.close();
  clearTimeout(typingTimer);
  chat.replaceChildren();
  shown = new Map();
  bubbles = [];
  showInside(null);
  source = new EventSource(`/phone/events/${peer}`);
  source.addEventListener("open", () => { state.textContent = "online"; });
  source.addEventListener("error", () => { state.textContent = "connecting…"; });
  source.addEventListener("chat", (event) => showChat(JSON.parse(event.data)));
  source.addEventListener("inside", (event) => showInside(JSON.parse(event.data)));
}

function send() {
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  grow();
  say({ type: "text", text: words });
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

byId("write").addEventListener("submit", (event) => { event.preventDefault(); send(); });
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
});
byId("person").addEventListener("change", (event) => { peer = event.target.value; connect(); text.focus(); });
document.addEventListener("visibilitychange", look);

const attach = byId("attach");
const attachments = byId("attachments");
const fold = (open) => { attachments.hidden = !open; attach.setAttribute("aria-expanded", String(open)); };
attach.addEventListener("click", () => { fold(attachments.hidden); attachments.querySelector("button:not([hidden])")?.focus(); });
attachments.addEventListener("keydown", (event) => { if (event.key === "Escape") { fold(false); attach.focus(); } });
attachments.addEventListener("click", (event) => {
  const what = event.target.dataset?.send;
  if (!what) return;
  fold(false);
  text.focus();
  if (what === "location") say({ type: "location", latitude: 45.8062, longitude: 15.9672, name: "Savska 12, Zagreb" });
  else say({ type: "media", media: what, url: `https://media.example/${what}`, caption: null });
});

const setup = await (await fetch("/phone/setup")).json();
byId("title").textContent = setup.title;
byId("person").replaceChildren(...setup.people.map((one) => make("option", { value: one.peer }, one.note ? `${one.name}, ${one.note}` : one.name)));
byId("suggestions").replaceChildren(
  ...setup.suggestions.map((words) => make("button", { type: "button", onclick: () => { say({ type: "text", text: words }); text.focus(); } }, words)),
);
peer = setup.people[0]?.peer ?? "";
if (peer) connect();
