// The web chat as a widget: <script src="https://<gateway>/widget.js" data-title=".." data-lang=".." defer></script>
//
// It works on any page whose origin is allowed. The session is a token that this script keeps for the tab and sends itself,
// so no cookie of a third party is needed and no other site can use it. What people and the assistant write is shown as
// text, never as HTML. It needs of a Content-Security-Policy: the gateway in script-src and in connect-src;
// with blob: in img-src, pictures of answers are shown as well, else there is a button to save them.
(() => {
  "use strict";

  const me = document.currentScript;
  const base = new URL(me.src).origin;
  const API = base + "/api/v1/chat";
  const STORE = "dragoman:" + base;
  // Tries to bring one message through, and to listen for what comes later, before the person is asked.
  const SEND_TRIES = 6;
  const LISTEN_TRIES = 20;
  const FILE_TRIES = 5;
  const WAIT_MAX_MS = 30000;
  const FILES_MAX = 5;
  const BUFFER_MAX = 1 << 20;

  const TEXTS = {
    en: { open: "Open chat", close: "Close chat", title: "Chat", write: "Write a message", send: "Send", attach: "Attach a file", remove: "Remove", log: "Conversation", you: "You", them: "Assistant", typing: "Writing …", lost: "The connection was lost. Trying again …", offline: "There is no connection. Check your network and try again.", again: "Try again", many: "Too many messages. Wait a moment, then try again.", away: "The service cannot answer now. Try again in a while.", large: "The file is too large. Choose a smaller one.", kind: "This kind of file cannot be sent. Choose a picture, a PDF, a text or a recording.", full: "Five files can go with one message.", failed: "This could not be sent.", forbidden: "The chat may not be used from this page.", expired: "The conversation has ended. You can begin a new one.", up: "Helpful", down: "Not helpful", comment: "What could be better? (optional)", thanks: "Thank you for the feedback.", uploading: "Uploading …", download: "Download", gone: "The file is not there any more." },
    hr: { open: "Otvori razgovor", close: "Zatvori razgovor", title: "Razgovor", write: "Napišite poruku", send: "Pošalji", attach: "Priloži datoteku", remove: "Ukloni", log: "Razgovor", you: "Vi", them: "Asistent", typing: "Piše …", lost: "Veza je prekinuta. Pokušavam ponovno …", offline: "Nema veze. Provjerite mrežu i pokušajte ponovno.", again: "Pokušaj ponovno", many: "Previše poruka. Pričekajte trenutak pa pokušajte ponovno.", away: "Usluga sada ne može odgovoriti. Pokušajte malo kasnije.", large: "Datoteka je prevelika. Odaberite manju.", kind: "Takva se datoteka ne može poslati. Odaberite sliku, PDF, tekst ili snimku.", full: "Uz jednu poruku može ići pet datoteka.", failed: "Ovo se nije moglo poslati.", forbidden: "S ove se stranice razgovor ne može koristiti.", expired: "Razgovor je završio. Možete započeti novi.", up: "Korisno", down: "Nije korisno", comment: "Što bi moglo biti bolje? (nije obavezno)", thanks: "Hvala na povratnoj informaciji.", uploading: "Učitavanje …", download: "Preuzmi", gone: "Datoteke više nema." },
    de: { open: "Chat öffnen", close: "Chat schließen", title: "Chat", write: "Nachricht schreiben", send: "Senden", attach: "Datei anhängen", remove: "Entfernen", log: "Gespräch", you: "Sie", them: "Assistent", typing: "Schreibt …", lost: "Die Verbindung ist abgebrochen. Neuer Versuch …", offline: "Keine Verbindung. Prüfen Sie Ihr Netz und versuchen Sie es erneut.", again: "Erneut versuchen", many: "Zu viele Nachrichten. Warten Sie kurz und versuchen Sie es erneut.", away: "Der Dienst kann gerade nicht antworten. Versuchen Sie es später erneut.", large: "Die Datei ist zu groß. Wählen Sie eine kleinere.", kind: "Diese Art von Datei kann nicht gesendet werden. Wählen Sie ein Bild, ein PDF, einen Text oder eine Aufnahme.", full: "Fünf Dateien passen zu einer Nachricht.", failed: "Das konnte nicht gesendet werden.", forbidden: "Der Chat darf von dieser Seite nicht benutzt werden.", expired: "Das Gespräch ist beendet. Sie können ein neues beginnen.", up: "Hilfreich", down: "Nicht hilfreich", comment: "Was wäre besser? (freiwillig)", thanks: "Danke für die Rückmeldung.", uploading: "Wird hochgeladen …", download: "Herunterladen", gone: "Die Datei gibt es nicht mehr." },
    es: { open: "Abrir el chat", close: "Cerrar el chat", title: "Chat", write: "Escriba un mensaje", send: "Enviar", attach: "Adjuntar un archivo", remove: "Quitar", log: "Conversación", you: "Usted", them: "Asistente", typing: "Escribiendo …", lost: "Se perdió la conexión. Intentando de nuevo …", offline: "No hay conexión. Compruebe su red e inténtelo de nuevo.", again: "Intentar de nuevo", many: "Demasiados mensajes. Espere un momento e inténtelo de nuevo.", away: "El servicio no puede responder ahora. Inténtelo más tarde.", large: "El archivo es demasiado grande. Elija uno más pequeño.", kind: "Este tipo de archivo no se puede enviar. Elija una imagen, un PDF, un texto o una grabación.", full: "Cinco archivos caben en un mensaje.", failed: "No se pudo enviar.", forbidden: "El chat no se puede usar desde esta página.", expired: "La conversación ha terminado. Puede empezar otra.", up: "Útil", down: "No útil", comment: "¿Qué podría mejorar? (opcional)", thanks: "Gracias por su opinión.", uploading: "Subiendo …", download: "Descargar", gone: "El archivo ya no está." },
  };
  const wanted = [me.dataset.lang, document.documentElement.lang, navigator.language].filter(Boolean);
  const lang = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => TEXTS[tag]) || "en";
  const T = TEXTS[lang];
  const title = me.dataset.title || T.title;

  const STYLE = `
    :host { all: initial; position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; font: 16px/1.4 system-ui, sans-serif; color: #1b1b1f; }
    * { box-sizing: border-box; font: inherit; }
    [hidden] { display: none !important; }
    button { cursor: pointer; color: inherit; background: #fff; border: 1px solid #6b6b76; border-radius: 8px; padding: 6px 10px; }
    button:disabled { cursor: default; opacity: .6; }
    :focus-visible { outline: 3px solid #0b57d0; outline-offset: 2px; }
    .launcher { background: #0b57d0; color: #fff; border: 0; border-radius: 28px; padding: 14px 20px; box-shadow: 0 2px 8px #0006; }
    .panel { display: flex; flex-direction: column; width: min(400px, calc(100vw - 32px)); height: min(620px, calc(100vh - 32px)); background: #fff; border: 1px solid #6b6b76; border-radius: 12px; box-shadow: 0 4px 24px #0005; overflow: hidden; }
    header { display: flex; justify-content: space-between; align-items: center; padding: 10px 14px; background: #0b57d0; color: #fff; }
    h2 { margin: 0; font-weight: 600; }
    header button { background: transparent; color: #fff; border-color: #fff; }
    .scroll { flex: 1; overflow-y: auto; padding: 12px; }
    .message { margin: 0 0 10px; max-width: 88%; }
    .message.mine { margin-left: auto; }
    .who { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .text { white-space: pre-wrap; overflow-wrap: anywhere; background: #eef0f6; border-radius: 10px; padding: 8px 12px; }
    .mine .text { background: #0b57d0; color: #fff; }
    .file { margin-top: 6px; }
    .file img { display: block; max-width: 100%; max-height: 320px; border-radius: 8px; margin-bottom: 6px; }
    .choices { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0 0; padding: 0; list-style: none; }
    .choices.list { flex-direction: column; }
    .choices.list button { width: 100%; text-align: left; }
    .note { display: block; font-size: 14px; color: #44444f; }
    .feedback { display: flex; gap: 4px; margin-top: 4px; }
    .feedback button { border-color: transparent; padding: 2px 6px; }
    .feedback button[aria-pressed="true"] { border-color: #0b57d0; background: #dde7fb; }
    .comment { display: flex; gap: 4px; margin-top: 4px; }
    .status { min-height: 1.4em; padding: 0 14px; font-size: 14px; color: #44444f; }
    .error { margin: 0 12px 8px; padding: 8px 12px; border: 1px solid #b3261e; border-radius: 8px; color: #8c1d18; background: #fceeee; }
    .files { display: flex; flex-wrap: wrap; gap: 6px; padding: 0 12px; margin: 0; list-style: none; }
    .files li { display: flex; gap: 4px; align-items: center; max-width: 100%; overflow: hidden; font-size: 14px; }
    form.composer { display: flex; gap: 6px; padding: 10px 12px; border-top: 1px solid #c5c5d0; }
    textarea, input[type="text"] { flex: 1; min-width: 0; resize: none; color: inherit; background: #fff; border: 1px solid #6b6b76; border-radius: 8px; padding: 6px 10px; }
    .live .text::after { content: "▍"; animation: blink 1s steps(2) infinite; }
    @keyframes blink { 50% { opacity: 0; } }
    @media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; scroll-behavior: auto !important; } }
  `;

  // What outlives a reload of the page in this tab.
  const kept = (() => {
    let state = {};
    try { state = JSON.parse(sessionStorage.getItem(STORE)) || {}; } catch { /* no storage: the page's life is enough */ }
    return {
      get: (name) => state[name],
      set(changes) {
        state = { ...state, ...changes };
        try { sessionStorage.setItem(STORE, JSON.stringify(state)); } catch { /* as above */ }
      },
    };
  })();

  // ---- The page

  const make = (name, properties = {}, ...children) => {
    const { attributes = {}, ...own } = properties;
    const element = Object.assign(document.createElement(name), own);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const host = make("div", { id: "dragoman-chat" });
  const root = host.attachShadow({ mode: "open" });
  const launcher = make("button", { className: "launcher", type: "button", textContent: T.open, attributes: { "aria-expanded": "false", "aria-controls": "panel" } });
  const closer = make("button", { className: "close", type: "button", textContent: "✕", attributes: { "aria-label": T.close } });
  const log = make("div", { className: "log", tabIndex: 0, attributes: { role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": T.log } });
  // What is still being written is read aloud once, when it stands in the log.
  const liveText = make("div", { className: "text" });
  const live = make("div", { className: "message live", hidden: true, attributes: { "aria-hidden": "true" } }, liveText);
  const scroll = make("div", { className: "scroll" }, log, live);
  const status = make("div", { className: "status", attributes: { role: "status" } });
  const problem = make("div", { className: "error", hidden: true, attributes: { role: "alert" } });
  const files = make("ul", { className: "files" });
  const picker = make("input", { type: "file", multiple: true, hidden: true, tabIndex: -1, attributes: { "aria-hidden": "true" } });
  const attach = make("button", { className: "attach", type: "button", textContent: "📎", attributes: { "aria-label": T.attach } });
  const input = make("textarea", { className: "input", rows: 1, maxLength: 10000, attributes: { "aria-label": T.write, placeholder: T.write } });
  const submit = make("button", { className: "send", type: "submit", textContent: T.send });
  const composer = make("form", { className: "composer" }, attach, picker, input, submit);
  const panel = make("section", { className: "panel", id: "panel", hidden: true, attributes: { role: "dialog", "aria-label": title } },
    make("header", {}, make("h2", { textContent: title }), closer), scroll, status, problem, files, composer);
  root.append(launcher, panel);
  host.lang = lang;
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.append(make("style", { textContent: STYLE }));
  }

  const down = () => { scroll.scrollTop = scroll.scrollHeight; };
  const tell = (text) => { status.textContent = text; };
  const fail = (text, again) => {
    problem.replaceChildren(text);
    if (again) {
      const button = make("button", { type: "button", className: "again", textContent: T.again });
      button.addEventListener("click", () => { calm(); again(); input.focus(); });
      problem.append(" ", button);
    }
    problem.hidden = false;
  };
  const calm = () => { problem.hidden = true; problem.replaceChildren(); };

  // ---- The gateway

  class Refused extends Error {
    constructor(status, text) { super(text); this.status = status; }
  }
  const words = (error) => {
    if (!(error instanceof Refused)) return T.offline;
    return { 403: T.forbidden, 413: T.large, 415: T.kind, 429: T.many, 503: T.away }[error.status] || T.failed + " " + error.message;
  };
  const pause = (attempt, signal) => new Promise((resolve) => {
    const most = Math.min(WAIT_MAX_MS, 500 * 2 ** attempt);
    const timer = setTimeout(resolve, most / 2 + Math.random() * most / 2);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });

  const begin = async () => {
    const answer = await fetch(API + "/sessions", { method: "POST", credentials: "omit" });
    if (!answer.ok) throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error || "");
    kept.set({ token: (await answer.json()).token, conversation: null, last: null });
  };
  // A session that has ended is begun anew, once; its conversation is gone with it.
  const call = async (path, options = {}, renew = true) => {
    if (!kept.get("token")) await begin();
    const headers = { ...options.headers, authorization: "Bearer " + kept.get("token") };
    const answer = await fetch(API + path, { ...options, headers, credentials: "omit" });
    const token = answer.headers.get("x-session-token");
    if (token) kept.set({ token });
    if (answer.ok) return answer;
    if (answer.status === 401 && renew) {
      const had = kept.get("conversation");
      await begin();
      // Messages of the next conversation have the same numbers: what stands here is past.
      shown.clear();
      settle();
      for (const row of log.querySelectorAll(".feedback, .comment")) row.remove();
      if (had) tell(T.expired);
      throw new Refused(401, T.expired);
    }
    throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error || "");
  };

  // Server-sent events of an answer; ends with the stream.
  async function* events(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        buffer += value;
        if (buffer.length > BUFFER_MAX) throw new Error("an event is too long");
        for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
          const event = {};
          for (const line of buffer.slice(0, end).split("\n")) {
            const at = line.indexOf(":");
            if (at > 0) event[line.slice(0, at)] = line.slice(at + 1).trimStart();
          }
          buffer = buffer.slice(end + 2);
          if (event.event) yield { kind: event.event, id: event.id, data: JSON.parse(event.data || "{}") };
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  // ---- What was said

  const shown = new Set();
  const add = (from, text) => {
    const element = make("div", { className: from === "person" ? "message mine" : "message" },
      make("span", { className: "who", textContent: (from === "person" ? T.you : T.them) + ": " }),
      make("div", { className: "text", textContent: text }));
    log.append(element);
    down();
    return element;
  };
  const quiet = () => { live.hidden = true; liveText.textContent = ""; };
  const take = (message) => {
    quiet();
    if (shown.has(message.id)) return;
    shown.add(message.id);
    const element = add("assistant", message.text);
    element.dataset.id = message.id;
    if (message.file) element.append(attached(message.file));
    if (message.buttons?.length) element.append(choices(message.buttons));
    element.append(thumbs(message));
    down();
  };
  // A picture or document of an answer. The session's token goes with the request, so a plain link would not do. A page
  // whose policy forbids pictures of our making (img-src blob:) still has the button.
  const PICTURES = ["image/jpeg", "image/png", "image/webp", "image/gif"];
  const attached = (file) => {
    const name = file.name || file.caption || "file";
    const button = make("button", { type: "button", className: "download", textContent: `📄 ${T.download}: ${name}` });
    const box = make("div", { className: "file" }, button);
    const address = async () => {
      for (let attempt = 0; ; attempt++) {
        try {
          const answer = await call(file.url.slice("/api/v1/chat".length));
          return URL.createObjectURL(await answer.blob());
        } catch (error) {
          // Of many pictures at once some have to wait.
          if (![429, 503].includes(error.status) || attempt + 1 >= FILE_TRIES) throw error;
          await pause(attempt);
        }
      }
    };
    const missing = (error) => error instanceof Refused && error.status === 404 ? T.gone : words(error);
    button.addEventListener("click", async () => {
      calm();
      button.disabled = true;
      try {
        const url = await address();
        make("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 60000);
      } catch (error) { fail(missing(error)); }
      button.disabled = false;
    });
    if (PICTURES.includes(file.media_type)) {
      address().then((url) => {
        const picture = make("img", { src: url, alt: file.caption || name });
        picture.addEventListener("load", () => { URL.revokeObjectURL(url); down(); });
        picture.addEventListener("error", () => { URL.revokeObjectURL(url); picture.remove(); });
        box.prepend(picture);
      }).catch(() => {});
    }
    return box;
  };
  const choices = (buttons) => {
    const list = make("ul", { className: buttons.length > 3 ? "choices list" : "choices" });
    for (const { id, title: name, description } of buttons) {
      const button = make("button", { type: "button", className: "choice", textContent: name });
      if (description) button.append(make("span", { className: "note", textContent: description }));
      button.addEventListener("click", () => { if (!busy) send({ text: name, choice: id }); });
      list.append(make("li", {}, button));
    }
    return list;
  };
  // A choice counts once; what was offered before is past.
  const settle = () => { for (const button of log.querySelectorAll(".choice")) button.disabled = true; };

  const thumbs = (message) => {
    const row = make("div", { className: "feedback", attributes: { role: "group" } });
    const button = (rating, sign, label) => {
      const one = make("button", { type: "button", textContent: sign, className: rating, attributes: { "aria-label": label, "aria-pressed": String(message.feedback?.rating === rating) } });
      one.addEventListener("click", () => rate(rating));
      row.append(one);
      return one;
    };
    const both = { up: button("up", "👍", T.up), down: button("down", "👎", T.down) };
    const give = async (rating, comment) => {
      const path = `/${kept.get("conversation")}/messages/${message.id}/feedback`;
      const body = JSON.stringify({ rating, ...(comment && { comment }) });
      try {
        calm();
        await call(path, { method: "POST", body, headers: { "content-type": "application/json" } });
        for (const [name, one] of Object.entries(both)) one.setAttribute("aria-pressed", String(name === rating));
        tell(T.thanks);
        return true;
      } catch (error) {
        fail(words(error), () => give(rating, comment));
        return false;
      }
    };
    const rate = async (rating) => {
      if (!(await give(rating))) return;
      row.parentElement.querySelector(".comment")?.remove();
      const text = make("input", { type: "text", maxLength: 2000, attributes: { "aria-label": T.comment, placeholder: T.comment } });
      const form = make("form", { className: "comment" }, text, make("button", { type: "submit", textContent: T.send }));
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (!text.value.trim() || (await give(rating, text.value.trim()))) { form.remove(); both[rating].focus(); }
      });
      row.after(form);
    };
    return row;
  };

  const hear = (event) => {
    if (event.id) kept.set({ last: event.id });
    switch (event.kind) {
      case "accepted": kept.set({ conversation: event.data.conversation_id }); break;
      case "delta": live.hidden = false; liveText.textContent += event.data.text; tell(T.typing); down(); break;
      case "tool": tell(T.typing); break;
      case "message": take(event.data); tell(""); break;
      case "reset": quiet(); break;
    }
  };

  // ---- Sending

  let busy = false;
  const work = (on) => { busy = on; submit.disabled = on; log.setAttribute("aria-busy", String(on)); };
  const key = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  const send = async (said) => {
    if (busy) return;
    work(true);
    stopListening();
    settle();
    calm();
    add("person", [said.text, ...(said.files || []).map((file) => "📎 " + file.name)].filter(Boolean).join("\n"));
    input.focus();
    await deliver({ ...said, key: key() });
    work(false);
    listen();
  };
  // The same key each time: however often it arrives, it is answered once.
  const deliver = async (said) => {
    tell(T.typing);
    for (let attempt = 0; ; attempt++) {
      try {
        const body = { message_id: said.key };
        if (said.text) body.message = said.text;
        if (said.choice) body.choice = said.choice;
        if (said.files?.length) body.attachments = said.files.map((file) => file.id);
        if (kept.get("conversation")) body.conversation_id = kept.get("conversation");
        const headers = { "content-type": "application/json", accept: "text/event-stream" };
        const answer = await call("", { method: "POST", body: JSON.stringify(body), headers });
        let finished = false;
        for await (const event of events(answer)) {
          hear(event);
          finished ||= event.kind === "done" || event.kind === "error";
        }
        quiet();
        if (finished) { tell(""); return; }
        throw new TypeError("the stream broke off");
      } catch (error) {
        quiet();
        const hopeless = error instanceof Refused && ![429, 503].includes(error.status);
        if (hopeless || attempt + 1 >= SEND_TRIES || (error instanceof Refused && attempt > 1)) {
          tell("");
          fail(words(error), async () => { work(true); await deliver(said); work(false); listen(); });
          return;
        }
        tell(T.lost);
        await pause(attempt);
      }
    }
  };

  // What comes without being asked for, such as the late end of a call.
  let listening = null;
  const stopListening = () => { listening?.abort(); listening = null; };
  const listen = async () => {
    stopListening();
    if (panel.hidden || busy || !kept.get("conversation")) return;
    const mine = (listening = new AbortController());
    for (let attempt = 0; attempt < LISTEN_TRIES && !mine.signal.aborted; attempt++) {
      try {
        const headers = { "last-event-id": kept.get("last") || "0" };
        const answer = await call(`/${kept.get("conversation")}/events`, { headers, signal: mine.signal });
        tell("");
        for await (const event of events(answer)) {
          if (mine.signal.aborted) return;
          attempt = 0;
          hear(event);
        }
      } catch (error) {
        if (mine.signal.aborted) return;
        if (error instanceof Refused && [401, 403, 404].includes(error.status)) return;
        if (!(error instanceof Refused)) tell(T.lost);
      }
      await pause(attempt, mine.signal);
    }
    if (!mine.signal.aborted) { tell(""); fail(T.offline, listen); }
  };

  // ---- Files

  let pending = [];
  const upload = async (file) => {
    if (pending.length >= FILES_MAX) return fail(T.full);
    calm();
    const item = make("li", { textContent: `${T.uploading} ${file.name}` });
    const one = { name: file.name, id: null };
    pending.push(one);
    files.append(item);
    const drop = () => { pending = pending.filter((other) => other !== one); item.remove(); };
    try {
      const name = encodeURIComponent(file.name.slice(0, 80));
      const headers = { "content-type": file.type || "application/octet-stream" };
      const answer = await call(`/uploads?name=${name}`, { method: "POST", body: file, headers });
      one.id = (await answer.json()).id;
      const remove = make("button", { type: "button", textContent: "✕", attributes: { "aria-label": `${T.remove}: ${file.name}` } });
      remove.addEventListener("click", () => { drop(); input.focus(); });
      item.replaceChildren(`📎 ${file.name} `, remove);
    } catch (error) {
      drop();
      fail(words(error), error instanceof Refused && [413, 415].includes(error.status) ? null : () => upload(file));
    }
  };
  attach.addEventListener("click", () => picker.click());
  picker.addEventListener("change", async () => {
    const chosen = [...picker.files];
    picker.value = "";
    for (const file of chosen) await upload(file);
    input.focus();
  });

  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    const ready = pending.filter((file) => file.id);
    const text = input.value.trim();
    if (busy || pending.length > ready.length || !(text || ready.length)) return;
    input.value = "";
    pending = [];
    files.replaceChildren();
    send({ text, files: ready });
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); composer.requestSubmit(); }
  });

  // ---- Opening and closing

  let restored = false;
  const restore = async () => {
    if (restored || !kept.get("conversation")) return;
    restored = true;
    try {
      const page = await (await call(`/${kept.get("conversation")}/messages`)).json();
      for (const message of page.messages) {
        if (message.from === "person") add("person", message.text);
        else { take(message); kept.set({ last: message.id }); }
      }
      const buttons = [...log.querySelectorAll(".message")];
      for (const old of buttons.slice(0, -1)) for (const button of old.querySelectorAll(".choice")) button.disabled = true;
    } catch (error) {
      if ([401, 403, 404].includes(error.status)) kept.set({ conversation: null, last: null });
      else { restored = false; fail(words(error), open); }
    }
  };
  const open = async () => {
    panel.hidden = false;
    launcher.hidden = true;
    launcher.setAttribute("aria-expanded", "true");
    input.focus();
    await restore();
    listen();
  };
  const close = () => {
    stopListening();
    panel.hidden = true;
    launcher.hidden = false;
    launcher.setAttribute("aria-expanded", "false");
    launcher.focus();
  };
  launcher.addEventListener("click", open);
  closer.addEventListener("click", close);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } });
  window.addEventListener("pagehide", stopListening);

  const show = () => { document.body.append(host); if (me.dataset.open === "true") open(); };
  if (document.body) show(); else document.addEventListener("DOMContentLoaded", show);
})();
