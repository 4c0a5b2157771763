// The phone page: shows the chat that the fake platform keeps, posts what the person does, and what happened inside.

import { brief, byId, draw, make, redrawFoot } from "/phone/bubbles.js";
import { showInside } from "/phone/inside.js";
import * as trouble from "/phone/trouble.js";

const chat = byId("chat");
const state = byId("state");
const text = byId("text");
const sheet = byId("sheet");
const attach = byId("attach");
const attachments = byId("attachments");
const PLACE = { latitude: 45.8062, longitude: 15.9672 };
const SAMPLES = { image: ["picture.png", "image/png"], voice: ["voice.ogg", "audio/ogg"], document: ["document.pdf", "application/pdf"] };

let setup = { phones: [] };
let phone = null; // the platform that is shown, as /phone/setup tells it
let peer = "";
let source = null;
let shown = new Map(); // message id -> its list item and what it shows
let bubbles = [];
let typingUntil = 0; // microseconds
let typingTimer = 0;
let about = null; // what the words are about: {kind: "quote" | "edit", bubble}

const path = (...parts) => ["/phone", phone.platform, ...parts].join("/");

async function post(address, body) {
  const response = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
  if (response.ok) return true;
  const words = await response.json().catch(() => ({}));
  state.textContent = words.error ?? `not sent (${response.status})`;
  return false;
}

const say = (act) => post(path("chat", peer), act);

function look() {
  if (document.visibilityState === "visible" && bubbles.some((one) => !one.mine && one.tick === "delivered")) post(path("chat", peer, "look"));
}

/** Words in the field go with a file. */
function caption() {
  const words = text.value.trim();
  text.value = "";
  grow();
  return words || null;
}

async function sendFile(type, content, name) {
  const response = await fetch(path("files"), { method: "POST", headers: { "content-type": content.type || "application/octet-stream" }, body: content });
  if (!response.ok) {
    state.textContent = `the file was not taken (${response.status})`;
    return;
  }
  const { file } = await response.json();
  if (type === "voice") await say({ type, file });
  else if (type === "image") await say({ type, file, caption: caption() });
  else await say({ type, file, name, caption: caption() });
}

async function sendSample(type) {
  const [name, kind] = SAMPLES[type];
  const content = await (await fetch(`/phone/samples/${name}`)).arrayBuffer();
  await sendFile(type, new Blob([content], { type: kind }), name);
}

function sendChosen(file) {
  const type = file.type.startsWith("image/") ? "image" : file.type.startsWith("audio/") ? "voice" : "document";
  sendFile(type, file, file.name);
}

function openSheet(bubble) {
  byId("sheet-title").textContent = bubble.button || "Choose";
  const choose = (row) => {
    sheet.close();
    say({ type: "row", id: row.id, title: row.title, description: row.description ?? null, quoted: bubble.id });
  };
  byId("rows").replaceChildren(
    ...bubble.rows.map((row) => make("button", { type: "button", onclick: () => choose(row) }, row.title, row.description ? make("small", {}, row.description) : null)),
  );
  sheet.showModal();
}

function setAbout(next) {
  about = next;
  byId("about").hidden = !about;
  byId("about-words").textContent = about ? `${about.kind === "edit" ? "Editing" : "Replying to"}: ${brief(about.bubble)}` : "";
  if (about?.kind === "edit") text.value = about.bubble.text;
  if (about) text.focus();
  grow();
}

const doing = {
  acts: [],
  choose: (bubble, button) => say({ type: "button", id: button.id, title: button.title, quoted: bubble.id }),
  open: openSheet,
  quote: (bubble) => setAbout({ kind: "quote", bubble }),
  edit: (bubble) => setAbout({ kind: "edit", bubble }),
  react: (bubble, emoji) => say({ type: "reaction", message: bubble.id, emoji }),
  remove: (bubble) => say({ type: "delete", message: bubble.id }),
};

function showTyping() {
  clearTimeout(typingTimer);
  chat.querySelector(".typing")?.remove();
  const left = typingUntil / 1000 - Date.now();
  if (left <= 0) return;
  const dots = make("div", { class: "bubble" }, make("i"), make("i"), make("i"), make("span", { class: "hidden" }, "typing"));
  chat.append(make("li", { class: "theirs typing", "aria-live": "off" }, dots));
  typingTimer = setTimeout(showTyping, left);
}

/** Draws what is new, redraws what changed, takes away what is gone. */
function showBubbles() {
  let added = false;
  const present = new Set();
  for (const bubble of bubbles) {
    const key = `${bubble.id}/${bubble.mine}/${bubble.at}`;
    present.add(key);
    const known = shown.get(key);
    const looks = JSON.stringify({ ...bubble, tick: null });
    if (known?.looks === looks) {
      if (known.item.dataset.tick !== bubble.tick) redrawFoot(known.item, bubble);
      continue;
    }
    const item = draw(bubble, bubbles.find((one) => one.id === bubble.quoted), phone.platform, doing);
    if (known) {
      const focused = known.item.contains(document.activeElement);
      known.item.replaceWith(item);
      if (focused) chat.focus();
    } else {
      chat.append(item);
      added = true;
    }
    shown.set(key, { item, looks });
  }
  for (const [key, { item }] of shown) {
    if (present.has(key)) continue;
    item.remove();
    shown.delete(key);
  }
  return added;
}

function showChat(told) {
  bubbles = told.bubbles;
  typingUntil = told.typing_until ?? 0;
  const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 120;
  const added = showBubbles();
  showTyping();
  byId("suggestions").hidden = bubbles.length > 0;
  byId("blocked").hidden = !told.blocked;
  byId("write").hidden = told.blocked;
  if (atEnd || (added && bubbles.at(-1)?.mine)) chat.scrollTop = chat.scrollHeight;
  look();
}

function connect() {
  source?.close();
  clearTimeout(typingTimer);
  chat.replaceChildren();
  shown = new Map();
  bubbles = [];
  setAbout(null);
  showInside(null);
  source = new EventSource(path("events", peer));
  source.addEventListener("open", () => { state.textContent = "online"; });
  source.addEventListener("error", () => { state.textContent = "connecting…"; });
  source.addEventListener("chat", (event) => showChat(JSON.parse(event.data)));
  source.addEventListener("inside", (event) => showInside(JSON.parse(event.data)));
}

/** Shows another platform and its people. */
function choosePlatform(name) {
  phone = setup.phones.find((one) => one.platform === name) ?? setup.phones[0];
  document.body.dataset.platform = phone.platform;
  doing.acts = phone.acts;
  byId("platform").value = phone.platform;
  byId("person").replaceChildren(...phone.people.map((one) => make("option", { value: one.peer }, one.note ? `${one.name}, ${one.note}` : one.name)));
  for (const button of attachments.querySelectorAll("[data-needs]")) button.hidden = !phone.acts.includes(button.dataset.needs);
  byId("turns").hidden = !phone.inside;
  peer = phone.people[0]?.peer ?? "";
  trouble.show(phone.platform);
  if (peer) connect();
}

async function send() {
  const words = text.value.trim();
  if (!words) return;
  const was = about;
  text.value = "";
  setAbout(null);
  if (was?.kind === "edit") await say({ type: "edit", message: was.bubble.id, text: words });
  else await say({ type: "text", text: words, quoted: was?.bubble.id ?? null });
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

byId("write").addEventListener("submit", (event) => { event.preventDefault(); send(); });
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  if (event.key === "Escape" && about) { text.value = ""; setAbout(null); }
});
byId("about-cancel").addEventListener("click", () => { if (about?.kind === "edit") text.value = ""; setAbout(null); text.focus(); });
byId("platform").addEventListener("change", (event) => { choosePlatform(event.target.value); text.focus(); });
byId("person").addEventListener("change", (event) => { peer = event.target.value; connect(); text.focus(); });
byId("unblock").addEventListener("click", () => say({ type: "unblock" }));
document.addEventListener("visibilitychange", look);

const fold = (open) => { attachments.hidden = !open; attach.setAttribute("aria-expanded", String(open)); };
attach.addEventListener("click", () => { fold(attachments.hidden); attachments.querySelector("button:not([hidden])")?.focus(); });
attachments.addEventListener("keydown", (event) => { if (event.key === "Escape") { fold(false); attach.focus(); } });
attachments.addEventListener("click", (event) => {
  const what = event.target.dataset?.send;
  if (!what) return;
  fold(false);
  text.focus();
  const own = phone.people.find((one) => one.peer === peer);
  if (SAMPLES[what]) sendSample(what);
  else if (what === "file") byId("file").click();
  else if (what === "location") say({ type: "location", ...PLACE });
  else if (what === "contact") say({ type: "contact", name: own.name, phone: `+${own.phone}`, own: true });
  else say({ type: what });
});
byId("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) sendChosen(file);
});

setup = await (await fetch("/phone/setup")).json();
byId("title").textContent = setup.title;
byId("platform").replaceChildren(...setup.phones.map((one) => make("option", { value: one.platform }, one.title)));
byId("platforms").hidden = setup.phones.length < 2;
byId("suggestions").replaceChildren(
  ...setup.suggestions.map((words) => make("button", { type: "button", onclick: () => { say({ type: "text", text: words, quoted: null }); text.focus(); } }, words)),
);
trouble.start(() => phone.platform);
choosePlatform(new URLSearchParams(location.search).get("platform"));
