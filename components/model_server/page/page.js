// Asks the server as somebody types. Only text content and style properties are set, never markup.

import { TOKEN, ask as askServer } from "./ask.js";

const PREDICT_AFTER = 120; // Milliseconds without a key before the server is asked, ...
const EXPLAIN_AFTER = 380; // ... and before it is asked for the words, which costs it several times as much.
const LOOK_EVERY = 15_000; // Between two looks for another version, and for a server that went away.
const SHOWN_WORDS = 5;
const FEW_CLASSES = 10; // So many are all shown, in the order of the model; of more the likeliest.
const SHOWN_CLASSES = 5;
const MORE_CLASSES = 20;
const WEAK = 0.1; // Of the strongest word: less is left unmarked.

const at = (id) => document.getElementById(id);
const text = at("text");

let model = null; // Its card: name, version, accuracy, classes, what its texts are, examples.
let shown = SHOWN_CLASSES;
let canExplain = true;
let timers = [];
let asking = new AbortController();
let answered = "";
let retry = 0;
let failures = 0;
let problemShown = null;

// A request that came to nothing: `kind` is offline, token, busy, or refused.
class Problem extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    this.kind = kind;
    Object.assign(this, more);
  }
}

async function ask(path, { body, signal } = {}) {
  let response, answer, token;
  try {
    ({ response, answer, token } = await askServer(path, { body, signal }));
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem("offline", "The server does not answer. It is asked again by itself; what you typed stays here.");
  }
  if (response.ok) return answer;
  const said = answer.error ?? `The server answered ${response.status}.`;
  if (response.status === 401) throw new Problem("token", said, { token });
  if (response.status === 429) throw new Problem("busy", "The server is busy. It is asked again in a moment.", { seconds: Number(response.headers.get("Retry-After")) || 1 });
  if (response.status >= 502) throw new Problem("offline", "The server is starting or stopping. It is asked again by itself.");
  throw new Problem("refused", said);
}

// The model

async function meet() {
  const { name, version } = await ask("readyz");
  if (model?.name === name && model.version === version) return false;
  const card = await ask(`v1/models/${encodeURIComponent(name)}/card`);
  const changed = model !== null && model.version !== card.version;
  if (model === null || changed) canExplain = true;
  model = card;
  at("token-form").hidden = true;
  at("name").textContent = card.name;
  at("facts").textContent = `version ${card.version} · ${percent(card.accuracy, 1)} right in its test · pushed ${date(card.pushed_at)}`;
  at("kept").textContent = card.kept ?? "";
  document.title = `${card.question} · ${card.name}`;
  introduce(card);
  if (changed) speak(`Another version of the model has taken over: ${card.version}.`);
  return changed;
}

// The words of whoever described the texts, in their language and its direction.
function introduce({ question, about, text: noun, language, examples, classes }) {
  at("question").textContent = question;
  at("about").textContent = about;
  at("count").textContent = classes.length.toLocaleString();
  at("sorts").hidden = false;
  at("noun").textContent = noun;
  for (const id of ["question", "text", "tries", "classes", "winner", "reading", "for", "against"]) {
    at(id).dir = direction(language);
    if (language !== "und") at(id).lang = language;
  }
  at("examples").hidden = examples.length === 0;
  at("tries").replaceChildren(...examples.map((example) => {
    const button = make("button", { type: "button", dir: "auto" }, example);
    button.setAttribute("aria-pressed", String(example === text.value));
    button.addEventListener("click", () => {
      text.value = example;
      answer(0);
    });
    return make("li", {}, button);
  }));
}

function direction(language) {
  if (language === "und") return "auto";
  try {
    const locale = new Intl.Locale(language);
    return (locale.getTextInfo?.() ?? locale.textInfo)?.direction ?? "auto";
  } catch {
    return "auto"; // It is no tag that this browser knows.
  }
}

function date(when) {
  return new Date(when).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

function percent(share, digits = 0) {
  if (share > 0 && share < 0.01) return "< 1 %";
  const shown = (100 * share).toFixed(digits);
  return Number(shown) === 100 && share < 1 && digits === 0 ? "> 99 %" : `${shown} %`;
}

async function look() {
  if (document.visibilityState === "visible") await safely(async () => { if (await meet()) answer(0); });
  setTimeout(look, LOOK_EVERY);
}

// What somebody typed

function answer(delay = PREDICT_AFTER) {
  asking.abort();
  timers.forEach(clearTimeout);
  timers = [];
  if (problemShown === "refused") hideProblem();
  const asked = text.value;
  if (asked !== answered) shown = SHOWN_CLASSES;
  answered = asked;
  at("clear").hidden = asked === "";
  for (const button of document.querySelectorAll(".examples button")) {
    button.setAttribute("aria-pressed", String(button.textContent === asked));
  }
  if (asked.trim() === "") {
    for (const id of ["answer", "why", "no-why"]) at(id).hidden = true;
    speak("");
    return;
  }
  at("why").setAttribute("aria-busy", "true");
  asking = new AbortController();
  const { signal } = asking;
  timers.push(setTimeout(() => safely(() => predict(asked, signal)), delay));
  timers.push(setTimeout(() => safely(() => explain(asked, signal)), delay === 0 ? 0 : EXPLAIN_AFTER));
}

async function predict(asked, signal) {
  if (model === null) await meet();
  const body = request(asked);
  const { predictions: [found] } = await ask(`v1/models/${encodeURIComponent(model.name)}:predict`, { body, signal });
  if (signal.aborted) return;
  const names = found.top_labels ?? model.classes;
  const probabilities = Object.fromEntries(names.map((name, place) => [name, (found.top_probabilities ?? found.probabilities)[place]]));
  showClasses(found, probabilities);
  if (!canExplain) speakAnswer(found, probabilities, []);
}

const hasMany = () => model.classes.length > FEW_CLASSES;
const request = (asked) => ({ instances: [asked], ...(hasMany() && { k: Math.min(shown, model.classes.length) }) });

async function explain(asked, signal) {
  if (model === null) await meet();
  at("no-why").hidden = canExplain;
  at("why").hidden = at("why").hidden || !canExplain;
  if (!canExplain) return;
  let found;
  try {
    const body = request(asked);
    ({ explanations: [found] } = await ask(`v1/models/${encodeURIComponent(model.name)}:explain`, { body, signal }));
  } catch (problem) {
    // A version of before explanations has no such signature; what else it cannot take, predicting could not either.
    if (problem.kind !== "refused" || !problem.message.includes("signature")) throw problem;
    canExplain = false;
    return explain(asked, signal);
  }
  if (signal.aborted) return;
  showClasses(found, found.probabilities);
  showWords(asked, found);
  speakAnswer(found, found.probabilities, strongest(found.words, 1).slice(0, 3));
}

// Showing it

function showClasses({ label: winner, labels, abstained = false }, probabilities) {
  const names = hasMany()
    ? Object.keys(probabilities).sort((one, other) => probabilities[other] - probabilities[one])
    : model.classes;
  const list = at("classes");
  if (list.children.length !== names.length) list.replaceChildren(...names.map(classRow));
  names.forEach((name, place) => {
    const [label, bar, value] = list.children[place].children;
    list.children[place].className = (labels ? labels.includes(name) : name === winner && !abstained) ? "first" : "";
    label.textContent = name;
    label.dir = "auto";
    bar.style.setProperty("--share", probabilities[name]);
    value.textContent = percent(probabilities[name]);
  });
  const none = labels ? labels.length === 0 : abstained;
  at("winner").textContent = none ? "None of these" : (labels ?? [winner]).join(", ");
  at("sure").textContent = none ? "no class is likely enough" : labels ? severalSure(labels) : sure(probabilities[winner]);
  at("answer").hidden = false;
  const left = model.classes.length - names.length;
  at("more-row").hidden = left === 0;
  at("others").textContent = `${left.toLocaleString()} other ${left === 1 ? "class is" : "classes are"} less likely.`;
}

function classRow() {
  return make("li", {}, make("span"), make("span", { className: "bar" }), make("span", { className: "percent" }));
}

function severalSure(labels) {
  return labels.length === 1 ? "the one class that is likely enough" : `${labels.length} classes are likely enough`;
}

function sure(probability) {
  if (probability >= 0.9) return "quite sure";
  if (probability >= 0.5) return "probably";
  return "hard to say";
}

function showWords(asked, { label, words }) {
  const largest = Math.max(0.3, ...words.map((word) => Math.abs(word.contribution)));
  const characters = Array.from(asked); // The server counts characters, a string counts UTF-16 units.
  const parts = [];
  let done = 0;
  for (const word of words) {
    const end = word.start + Array.from(word.text).length;
    const share = Math.abs(word.contribution) / largest;
    if (share < WEAK) continue;
    parts.push(characters.slice(done, word.start).join(""));
    parts.push(make("span", { className: `${word.contribution > 0 ? "for" : "against"} l${Math.ceil(4 * share)}`, title: signed(word.contribution) }, word.text));
    done = end;
  }
  const last = words.at(-1);
  const read = last ? last.start + Array.from(last.text).length : 0;
  parts.push(characters.slice(done, Math.max(done, read)).join(""));
  const rest = characters.slice(Math.max(done, read)).join("");
  const isCut = /[\p{L}\p{N}]/u.test(rest) && words.length > 20;
  parts.push(isCut ? make("span", { className: "unread" }, rest) : rest);
  at("cut").hidden = !isCut;
  at("reading").replaceChildren(...parts);
  at("for-title").replaceChildren("speak for ", make("bdi", {}, label));
  at("against-title").replaceChildren("speak against ", make("bdi", {}, label));
  showSide("for", strongest(words, 1), largest);
  showSide("against", strongest(words, -1), largest);
  at("why").hidden = false;
  at("why").setAttribute("aria-busy", "false");
}

// Words of one sign, the strongest first, each spelling once.
function strongest(words, sign) {
  const sums = new Map();
  for (const { text: word, contribution } of words) {
    if (/[\p{L}\p{N}\p{S}]/u.test(word)) sums.set(word, (sums.get(word) ?? 0) + contribution);
  }
  const least = WEAK * Math.max(0.3, ...[...sums.values()].map(Math.abs));
  return [...sums].map(([word, value]) => ({ word, value })).filter(({ value }) => sign * value >= least)
    .sort((one, other) => sign * (other.value - one.value)).slice(0, SHOWN_WORDS);
}

function showSide(id, found, largest) {
  const rows = found.map(({ word, value }) => {
    const bar = make("span", { className: "bar" });
    bar.style.setProperty("--share", Math.min(1, Math.abs(value) / largest));
    return make("li", {}, make("bdi", { className: "word", title: word }, word), bar, make("span", { className: "percent" }, signed(value)));
  });
  at(id).replaceChildren(...(rows.length ? rows : [make("li", { className: "none" }, "no word to speak of")]));
}

function signed(value) {
  const size = Math.abs(value);
  return `${value < 0 ? "−" : "+"}${size.toFixed(size < 0.1 ? 2 : 1)}`;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function speak(said) {
  if (at("spoken").textContent !== said) at("spoken").textContent = said;
}

function speakAnswer({ label, labels, abstained }, probabilities, words) {
  if (labels?.length) return speak(`${labels.join(", ")}: likely enough.`);
  if (abstained || labels) return speak("None of these: no class is likely enough.");
  const because = words.length ? ` Words that speak for it: ${words.map(({ word }) => word).join(", ")}.` : "";
  speak(`${label}, ${percent(probabilities[label])}.${because}`);
}

// What can go wrong

async function safely(work) {
  try {
    await work();
    failures = 0;
    if (problemShown !== "refused") hideProblem();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (!(problem instanceof Problem)) throw problem;
    at("why").setAttribute("aria-busy", "false");
    if (problem.kind === "token") askForToken(problem.token);
    else complain(problem);
  }
}

function hideProblem() {
  problemShown = null;
  at("problem").hidden = true;
}

function showProblem(kind, message) {
  problemShown = kind;
  // The same words again would be read out again.
  if (at("problem-text").textContent !== message) at("problem-text").textContent = message;
  at("retry").hidden = kind === "refused" || kind === "token";
  at("problem").hidden = false;
}

function complain({ kind, message, seconds }) {
  showProblem(kind, message);
  if (kind === "refused") return;
  failures += 1;
  clearTimeout(retry);
  retry = setTimeout(again, 1000 * (seconds ?? Math.min(15, 2 ** Math.min(failures, 4) / 2)));
}

function askForToken(tried) {
  if (tried !== null) showProblem("token", "The server does not accept this token.");
  // Another one may have been given since this one was tried.
  if (sessionStorage.getItem(TOKEN) === tried) sessionStorage.removeItem(TOKEN);
  at("token-form").hidden = false;
}

function again() {
  return safely(async () => {
    await meet();
    answer(0);
  });
}

// Listening

text.addEventListener("input", () => answer());
at("clear").addEventListener("click", () => {
  text.value = "";
  answer();
  text.focus();
});
at("more").addEventListener("click", () => {
  shown += MORE_CLASSES;
  answer(0);
});
at("retry").addEventListener("click", again);
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, at("token").value.trim());
  at("token").value = "";
  again().then(() => (at("token-form").hidden ? text : at("token")).focus());
});
window.addEventListener("online", again);
window.addEventListener("pageshow", () => answer(0)); // A browser that goes back keeps what was typed.
look();
