// What happened inside the last turns.

import { byId, make } from "/phone/bubbles.js";

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

export function showInside(told) {
  const turns = told?.turns ?? [];
  if (turns.length) byId("inside").replaceChildren(...turns.map(drawTurn));
  else byId("inside").replaceChildren(make("p", { class: "empty" }, "Write something; the candidates, calls and timings of each turn appear here."));
}
