// Draws messages. Strings become text, never HTML.

export const byId = (id) => document.getElementById(id);

const TICKS = { sending: ["◷", "sending"], sent: ["✓", "sent"], delivered: ["✓✓", "delivered"], read: ["✓✓", "read"], failed: ["! not sent", "failed"] };
const WHAT = {
  image: "📷 Picture", photo: "📷 Picture", voice: "🎤 Voice message", audio: "🎵 Audio", video: "🎬 Video", document: "📄 Document",
  sticker: "🙂 Sticker", location: "📍 Location", contact: "👤 Contact", contacts: "👤 Contact", order: "🛒 Order", reaction: "Reaction",
};
const EMOJI = ["👍", "❤️", "😂"];

// WhatsApp's marks and what they become: not within a word, not across lines, no space at their inner edges.
const MARKS = { "*": "b", _: "i", "~": "s", "`": "code" };
const MARKED = /(?<![\p{L}\p{N}])([*_~`])(?=\S)((?:(?!\1).)+)(?<=\S)\1(?![\p{L}\p{N}])/gu;

/** Makes an element; strings become text, never HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The words of a bubble as the platform shows them. Telegram's come without marks. */
function words(text, platform) {
  if (platform === "telegram") return [text];
  const parts = [];
  let done = 0;
  for (const found of text.matchAll(MARKED)) {
    parts.push(text.slice(done, found.index), make(MARKS[found[1]], {}, found[2]));
    done = found.index + found[0].length;
  }
  return [...parts, text.slice(done)];
}

const clock = (micros) => new Date(micros / 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

function foot(bubble) {
  const [sign, word] = TICKS[bubble.tick] ?? ["", bubble.tick];
  return [
    bubble.edited ? make("span", { class: "edited" }, "edited") : null,
    clock(bubble.at),
    make("span", { class: `tick ${bubble.tick}`, "aria-hidden": "true" }, sign),
    make("span", { class: "hidden" }, word),
  ].filter(Boolean);
}

/** Shows how far the message has come, and touches nothing else. */
export function redrawFoot(item, bubble) {
  item.dataset.tick = bubble.tick;
  item.querySelector(".foot").replaceChildren(...foot(bubble));
}

function attachment(attached, platform) {
  if (attached.type === "place") return make("p", { class: "words" }, `${attached.latitude.toFixed(4)}, ${attached.longitude.toFixed(4)}`);
  if (attached.type === "contact") return make("p", { class: "words" }, `${attached.name} · ${attached.phone}`);
  const address = `/phone/${platform}/files/${encodeURIComponent(attached.id)}`;
  if (attached.media_type.startsWith("image/")) return make("img", { class: "picture", src: address, alt: attached.name || "Picture" });
  if (attached.media_type.startsWith("audio/")) return make("audio", { controls: true, preload: "metadata", src: address, "aria-label": "Voice message" });
  return make("a", { href: address, download: attached.name || "file" }, attached.name || "File");
}

/** What a bubble is called where another answers it. */
export const brief = (bubble) => bubble.text || WHAT[bubble.what] || "Message";

function menu(bubble, doing) {
  const act = (name, words, ...rest) => make("button", { type: "button", onclick: () => { list.open = false; doing[name](bubble, ...rest); } }, words);
  const can = (name) => doing.acts.includes(name);
  const entries = [
    can("quote") ? act("quote", "Reply") : null,
    ...(can("reaction") ? EMOJI.map((emoji) => act("react", emoji, emoji)) : []),
    can("reaction") && bubble.reaction ? act("react", "Take reaction back", null) : null,
    can("edit") && bubble.mine && bubble.kind === "text" ? act("edit", "Edit") : null,
    can("delete") && bubble.mine ? act("remove", "Delete") : null,
  ].filter(Boolean);
  const list = make("details", { class: "menu" }, make("summary", { "aria-label": "More about this message" }, "⋯"), make("div", { role: "group" }, ...entries));
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { list.open = false; list.querySelector("summary").focus(); }
  });
  return list;
}

/**
 * A message as a list item.
 * `doing`: what people can do (`acts`), and what happens when they do: choose, open, quote, react, edit, remove.
 */
export function draw(bubble, quoted, platform, doing) {
  const body = make("div", { class: "bubble" });
  body.append(make("span", { class: "hidden" }, bubble.mine ? "You: " : "They: "));
  if (quoted) body.append(make("p", { class: "quote" }, ...words(brief(quoted), platform)));
  if (bubble.deleted) body.append(make("p", { class: "words gone" }, "This message was deleted"));
  else {
    if (bubble.kind === "other" && bubble.attached?.type !== "file") body.append(make("p", { class: "words" }, WHAT[bubble.what] ?? bubble.what));
    if (bubble.attached) body.append(attachment(bubble.attached, platform));
    if (bubble.text) body.append(make("p", { class: "words" }, ...words(bubble.text, platform)));
  }
  body.append(make("p", { class: "foot" }, ...foot(bubble)));
  const item = make("li", { class: bubble.mine ? "mine" : "theirs", "data-id": bubble.id, "data-tick": bubble.tick, "data-what": bubble.what ?? bubble.kind }, body);
  if (bubble.reaction) body.append(make("span", { class: "reaction", "aria-label": `You reacted with ${bubble.reaction}` }, bubble.reaction));
  if (bubble.deleted) return item;
  body.append(menu(bubble, doing));
  if (bubble.kind === "buttons") {
    item.append(
      make("div", { class: "choices", role: "group", "aria-label": "Answers" },
        ...bubble.buttons.map((button) => make("button", { type: "button", onclick: () => doing.choose(bubble, button) }, button.title))),
    );
  }
  if (bubble.kind === "list") {
    item.append(make("button", { type: "button", class: "open", "aria-haspopup": "dialog", onclick: () => doing.open(bubble) }, `☰ ${bubble.button}`));
  }
  return item;
}
