// The operators' console: live figures, and a box that ticks all others. Every page works without it.

const live = document.getElementById("live");
if (live) watch(live);
// On a narrow screen the navigation scrolls: where one is has to be seen.
document.querySelector(".pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
for (const all of document.querySelectorAll("[data-tick-all]")) tickAll(all);

/** Follows the figures by server-sent events; while none come, asks for them. */
function watch(live) {
  const SILENCE_MS = 8_000; // figures come every 2 s
  const ASK_MS = 5_000;
  const state = document.getElementById("live-state");
  let heard = 0;
  let shown = "";

  const say = (mode, words) => {
    live.dataset.mode = mode;
    if (words !== shown) state.textContent = shown = words; // a status is read aloud: only when it changes
  };
  const show = (told) => {
    heard = Date.now();
    document.getElementById("summary").textContent = told.summary;
    for (const figure of told.figures) {
      const card = document.querySelector(`[data-figure="${figure.key}"]`);
      if (!card) continue;
      card.querySelector(".value").textContent = figure.value;
      card.querySelector(".note").textContent = figure.note;
      card.querySelector(".flag").hidden = !figure.look;
      card.toggleAttribute("data-look", figure.look);
    }
  };
  const clock = () => new Date(heard).toLocaleTimeString([], { hourCycle: "h23" });
  const ask = async () => {
    if (Date.now() - heard < SILENCE_MS || document.visibilityState !== "visible") return;
    try {
      const answer = await fetch(live.dataset.figures);
      if (answer.status === 401) return say("off", "Your session has ended. Reload to sign in.");
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.json());
      say("asked", "No stream: asked every few seconds");
    } catch {
      say("off", heard ? `No news since ${clock()}` : "No live figures");
    }
  };

  let source = null;
  const follow = () => {
    // A page that nobody sees holds no connection: browsers have six for all pages of a site.
    const wanted = document.visibilityState === "visible";
    if (wanted === (source !== null)) return;
    if (!wanted) {
      source.close();
      source = null;
      return;
    }
    source = new EventSource(live.dataset.events);
    source.addEventListener("figures", (event) => {
      show(JSON.parse(event.data));
      say("live", "Live");
    });
  };
  document.addEventListener("visibilitychange", follow);
  follow();
  setInterval(ask, ASK_MS);
}

/** A box that ticks all boxes of a name in its form. */
function tickAll(all) {
  const boxes = () => [...all.form.querySelectorAll(`input[name="${all.dataset.tickAll}"]`)];
  const look = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  all.closest("[hidden]")?.removeAttribute("hidden");
  all.addEventListener("change", () => boxes().forEach((box) => (box.checked = all.checked)));
  all.form.addEventListener("change", look);
  look();
}
