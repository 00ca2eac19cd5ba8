// Asks for texts, takes a key, sends a label. Only text content is set, never markup.

import { TOKEN, ask as askServer } from "./ask.js";

const BY = "agnews-by";
const AT_ONCE = 20;
const MOST_SHOWN = 200; // Of thousands of classes: those who look for one type its name.
const KEYS = "123456789";
const WHY = {
  conflict: "People disagree about this one",
  random: "Drawn at random, to measure the model",
  uncertain: "The model is torn about this one",
  disagreement: "Two models disagree about this one",
  training: "A training row whose label is in doubt",
};

const at = (id) => document.getElementById(id);

let model = null;
let classes = [];
let waiting = []; // Texts to label, the first is shown.
let passed = []; // Rows that were labelled or skipped here, so that they do not come again.
let last = null; // The last label, for taking it back.
let count = 0;
let sending = Promise.resolve();
let isAsking = false;

class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

async function ask(path, body) {
  let response, answer;
  try {
    ({ response, answer } = await askServer(path, { body }));
  } catch {
    throw new Problem("The server does not answer.");
  }
  if (response.ok) return answer;
  throw new Problem(answer.error ?? `The server answered ${response.status}.`, response.status);
}

const model_path = (verb) => `v1/models/${encodeURIComponent(model)}:${verb}`;

async function begin() {
  hide("problem");
  if (!localStorage.getItem(BY) || !sessionStorage.getItem(TOKEN)) return askWho();
  model ??= (await ask("readyz")).name;
  await fetchMore();
  show();
}

function askWho() {
  at("by").value = localStorage.getItem(BY) ?? "";
  for (const id of ["desk", "done"]) hide(id);
  at("who").hidden = false;
  (at("by").value ? at("token") : at("by")).focus();
}

async function fetchMore() {
  if (isAsking) return;
  isAsking = true;
  try {
    const known = new Set([...passed, ...waiting.map(({ row }) => row)]);
    const found = await ask(model_path("queue"), { by: localStorage.getItem(BY), number: AT_ONCE, skip: [...known].slice(-1000) });
    classes = found.classes;
    waiting.push(...found.texts.filter(({ row }) => !known.has(row)));
    at("name").textContent = model;
  } finally {
    isAsking = false;
  }
}

function show() {
  hide("who");
  at("facts").textContent = `${count} labelled by ${localStorage.getItem(BY)} in this tab`;
  const [text] = waiting;
  at("desk").hidden = text === undefined && last === null;
  at("done").hidden = text !== undefined;
  for (const id of ["text", "why", "choices", "skip"]) at(id).hidden = text === undefined;
  at("filter-row").hidden = text === undefined || classes.length <= KEYS.length;
  at("undo").disabled = last === null;
  if (text === undefined) return;
  at("why").textContent = WHY[text.why];
  at("text").textContent = text.text;
  at("text").scrollTop = 0;
  at("filter").value = "";
  showChoices();
  if (!at("filter-row").hidden) at("filter").focus();
}

function showChoices() {
  const many = classes.length > KEYS.length;
  const wanted = at("filter").value.trim().toLowerCase();
  const shown = classes.filter((name) => name.toLowerCase().includes(wanted)).slice(0, MOST_SHOWN);
  at("choices").className = many ? "many" : "";
  at("choices").replaceChildren(...shown.map((name, place) => {
    const key = many ? (place === 0 ? "Enter" : "") : KEYS[place];
    const button = make("button", { type: "button" }, ...(key ? [make("kbd", {}, key)] : []), make("bdi", {}, ...breakable(name)));
    button.addEventListener("click", () => safely(() => choose(name)));
    return make("li", { className: many && place === 0 ? "first" : "" }, button);
  }));
}

function choose(name) {
  const text = waiting.shift();
  if (text === undefined) return;
  count += 1;
  passed.push(text.row);
  last = { text, name };
  tell(text, name);
  // Labels are sent one after the other, while the next text is read already.
  sending = sending.then(() => send(text, name));
  return goOn();
}

async function send(text, name) {
  const label = { request: text.row, text: text.text, label: name, by: localStorage.getItem(BY), at: new Date().toISOString() };
  try {
    await ask(model_path("feedback"), { source: "queue", labels: [label] });
  } catch (problem) {
    // Nothing is lost: it comes back to the front.
    count -= 1;
    passed = passed.filter((row) => row !== text.row);
    waiting.unshift(text);
    show();
    complain(problem);
  }
}

function tell(text, name) {
  const said = at("said");
  const sure = ` (${Math.round(100 * text.probability)} %)`;
  if (text.label) {
    const kept = text.label === name ? " is the label that it has" : ` - until now it was ${text.label}`;
    said.replaceChildren(make("strong", {}, name), `${kept}; a linear model says ${text.answer}${sure}.`);
    return;
  }
  const agreed = text.answer === name;
  said.replaceChildren(make("strong", {}, name), agreed ? " is what the model said, too" : ` - the model said ${text.answer}`, `${sure}.`);
}

async function goOn() {
  show();
  if (waiting.length <= AT_ONCE / 4) {
    await sending;
    await fetchMore();
    if (waiting.length && at("done").hidden === false) show();
  }
}

function skip() {
  const text = waiting.shift();
  if (text === undefined) return;
  passed.push(text.row);
  at("said").textContent = "Skipped.";
  return goOn();
}

function undo() {
  if (last === null) return;
  // The newest label of a person counts, so labelling it again is enough.
  waiting.unshift(last.text);
  passed = passed.filter((row) => row !== last.text.row);
  count -= 1;
  at("said").textContent = `Give this one another label than ${last.name}; the new one counts.`;
  last = null;
  show();
}

function complain(problem) {
  if (problem.status === 401) {
    sessionStorage.removeItem(TOKEN);
    askWho();
  }
  at("problem-text").textContent = problem.status === 401 ? "The server does not accept this token." : problem.message;
  at("retry").hidden = problem.status === 401;
  at("problem").hidden = false;
}

async function safely(work) {
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    complain(problem);
  }
}

function hide(id) {
  at(id).hidden = true;
}

// Names of classes are words joined by underscores: between these a line may end.
function breakable(name) {
  return name.split(/(?<=[_/])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem(BY, at("by").value.trim());
  sessionStorage.setItem(TOKEN, at("token").value.trim());
  at("token").value = "";
  safely(begin);
});
at("filter").addEventListener("input", showChoices);
at("skip").addEventListener("click", () => safely(skip));
at("undo").addEventListener("click", undo);
at("retry").addEventListener("click", () => safely(begin));
at("more").addEventListener("click", () => safely(begin));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || at("desk").hidden) return;
  if (event.target === at("filter")) {
    const first = at("choices").querySelector("button");
    if (event.key === "Enter" && first) first.click();
    if (event.key === "Escape") at("filter").blur();
    return;
  }
  if (event.target instanceof HTMLInputElement) return;
  const key = event.key.toLowerCase();
  const place = KEYS.indexOf(key);
  if (classes.length <= KEYS.length && place >= 0 && place < classes.length) safely(() => choose(classes[place]));
  else if (key === "s" || key === "arrowright") safely(skip);
  else if (key === "u" || key === "arrowleft") undo();
  else return;
  event.preventDefault();
});
safely(begin);
