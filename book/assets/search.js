/* The search page: MiniSearch over the sections that the build wrote (book/search.py). */
"use strict";

const SHOWN = 40; // results; whoever wants more types another word
const input = document.querySelector(".bd-search-container input[type=search]");
const list = document.getElementById("search-results");
const status = Object.assign(document.createElement("p"), { className: "search-status" });
status.setAttribute("role", "status");
list.before(status);

/* A Greek letter is found by its name, a plural by its singular. */
const GREEK = { η: "eta", β: "beta", κ: "kappa", λ: "lambda", σ: "sigma", γ: "gamma", μ: "mu", ε: "epsilon" };
function word(term) {
  const plain = term.toLowerCase();
  return GREEK[plain] ?? (plain.length > 4 && !plain.endsWith("ss") ? plain.replace(/(?<=(ch|sh|x))es$|s$/, "") : plain);
}
const index = new MiniSearch({
  fields: ["title", "chapter", "text", "code"],
  storeFields: ["chapter", "title", "level", "text", "code"],
  processTerm: word,
  searchOptions: {
    // What a chapter is about comes first: its own first section, then its others, then the rest.
    boost: { title: 4, chapter: 3, text: 1, code: 0.5 },
    prefix: (term) => term.length > 2,
    fuzzy: (term) => term.length > 5 ? 0.15 : false,
    processTerm: word,
  },
});
index.addAll(SECTIONS);

/* A chapter's first section counts twice; so do words that stand together, in a heading most. */
function worth(query) {
  const together = query.trim().toLowerCase();
  const has = (text) => together.includes(" ") && text.toLowerCase().includes(together);
  return (id, term, { level, title, text }) => (level === 1 ? 2 : 1) * (has(title) ? 6 : has(text) ? 2 : 1);
}

function find(query) {
  const boostDocument = worth(query);
  const all = index.search(query, { boostDocument, combineWith: "AND" });
  const results = all.length ? all : index.search(query, { boostDocument });
  list.replaceChildren(...results.length ? [results.slice(0, SHOWN).reduce((ol, result) => {
    ol.append(entry(result));
    return ol;
  }, document.createElement("ol"))] : []);
  const count = results.length === 1 ? "1 result" : `${results.length} results`;
  status.textContent = !query.trim() ? "" : results.length > SHOWN ? `${count}; the first ${SHOWN} are shown` : count;
  document.title = `${query.trim() || "Search"} — Downhill`;
}

function entry({ id, chapter, title, text, code, terms }) {
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: id });
  link.append(...marked(title, terms));
  item.append(link);
  if (chapter !== title) item.append(Object.assign(document.createElement("span"), { textContent: chapter }));
  const excerpt = document.createElement("p");
  excerpt.append(...marked(around(text, terms) ?? around(code, terms) ?? text.slice(0, 180), terms));
  item.append(excerpt);
  return item;
}

/* Words of a text with their places. */
const wordsOf = (text) => [...text.matchAll(/[\p{L}\p{N}_]+/gu)];
const hit = (terms) => (match) => terms.includes(word(match[0]));

/* The stretch of a text with the most different terms in it; null without any. */
function around(text, terms) {
  const hits = wordsOf(text).filter(hit(terms));
  if (!hits.length) return null;
  const worth = (from) => new Set(hits.filter((m) => m.index >= from && m.index < from + 150)
    .map((m) => word(m[0]))).size;
  const best = hits.reduce((a, b) => worth(b.index) > worth(a.index) ? b : a).index;
  const from = best < 60 ? 0 : text.indexOf(" ", best - 50) + 1;
  const to = text.length - from < 220 ? text.length : text.lastIndexOf(" ", from + 210);
  return (from ? "… " : "") + text.slice(from, to) + (to < text.length ? " …" : "");
}

/* The text in pieces, the terms as <mark>. */
function marked(text, terms) {
  const pieces = [];
  let end = 0;
  for (const match of wordsOf(text).filter(hit(terms))) {
    pieces.push(text.slice(end, match.index), Object.assign(document.createElement("mark"), { textContent: match[0] }));
    end = match.index + match[0].length;
  }
  return [...pieces, text.slice(end)];
}

input.addEventListener("input", () => {
  history.replaceState(null, "", `?q=${encodeURIComponent(input.value)}`);
  find(input.value);
});
input.form.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.focus();
});
input.value = new URLSearchParams(location.search).get("q") ?? "";
input.focus();
find(input.value);
