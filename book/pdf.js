/* The pages of the book as one document that is printed once: book/pdf.py runs this in Chromium. */
"use strict";

/* Lay all pages into this document, with the solutions at its end. Returns the number of contents' lines. */
async function combine(pages, address, captions) {
  document.documentElement.dataset.theme = "light";
  const book = document.querySelector("article > section"), chapters = [];
  for (const [number, path] of pages.entries()) {
    const url = new URL(path, location.href);
    const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
    const part = page.querySelector("article.bd-article > section");
    part.querySelectorAll("script, noscript, .headerlink, style").forEach((e) => e.remove());
    for (const e of part.querySelectorAll("a[href]")) e.setAttribute("href", target(e, url, pages, address));
    for (const e of part.querySelectorAll("img")) {
      e.src = new URL(e.getAttribute("src"), url);
      e.removeAttribute("loading");
    }
    for (const explorer of part.querySelectorAll(".explorer[id]")) addressed(explorer, path, address);
    // The front page shows explorers that chapters show, too: what has a name gets one of its own.
    for (const e of [part, ...part.querySelectorAll("[id]:not(svg [id])")]) e.id = `part-${number}--${e.id}`;
    for (const e of part.querySelectorAll("input[name]")) e.name += `--${number}`;
    const title = words(part.querySelector("h1"));
    chapters.push(title);
    part.style.page = `part-${number}`;
    part.classList.add("part");
    if (captions[path]) part.dataset.caption = captions[path];
    for (const fold of part.querySelectorAll(".cell.tag_hide-cell, .admonition.dropdown")) fold.dataset.chapter = number;
    head(part.style.page, title);
    book.append(document.adoptNode(part));
  }
  await solutions(chapters);
  const lines = list();
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode()));
  return lines;
}

function words(element) {
  return element.textContent.trim().replace(/\s+/g, " ");
}

/* What stands at the head of a part's pages. */
function head(part, title) {
  const rule = `@page ${part} { @top-right { content: ${JSON.stringify(title)}; font: 8pt sans-serif; color: #555 } }`;
  document.head.append(Object.assign(document.createElement("style"), { textContent: rule }));
}

/* On paper an explorer stands still; its address says where it moves. */
function addressed(explorer, path, address) {
  const place = `${path}#${explorer.id}`;
  const line = Object.assign(document.createElement("p"), { className: "explorer-address", textContent: "It moves at " });
  line.append(Object.assign(document.createElement("a"), { href: address + place, textContent: place }));
  explorer.append(line);
}

/* Where a link of a page leads to in the book, or else on the site. */
function target(link, url, pages, address) {
  const { href, origin, pathname, hash } = new URL(link.getAttribute("href"), url);
  if (origin !== location.origin) return href;
  const number = pages.indexOf(pathname.slice(1));
  if (number < 0 || hash.includes("?")) return address + href.slice(origin.length + 1);
  return `#part-${number}--${decodeURIComponent(hash.slice(1))}`;
}

/* Hints, answers and solutions go to the end, as on a page that is printed (reading.js), by chapter. */
async function solutions(chapters) {
  addEventListener("afterprint", (event) => event.stopImmediatePropagation(), true); // they stay there
  const script = Object.assign(document.createElement("script"), { src: "_static/reading.js" });
  document.head.append(script);
  await new Promise((done) => { script.onload = done; });
  dispatchEvent(new Event("beforeprint"));
  const end = document.querySelector(".at-the-end");
  if (!end) return;
  end.style.page = "solutions";
  head("solutions", "Hints, answers and solutions");
  end.querySelector("h2").outerHTML = "<h1>Hints, answers and solutions</h1>";
  end.querySelector("h1").after(...selftests());
  for (const name of end.querySelectorAll(".admonition-title")) {
    name.textContent = words(name).replace(/^Show the (.)/, (_, letter) => letter.toUpperCase());
  }
  let last;
  for (const fold of end.querySelectorAll("[data-chapter]")) {
    const title = chapters[fold.dataset.chapter];
    if (title === last) continue;
    let before = fold;
    while (before.tagName !== "H3") before = before.previousElementSibling;
    before.before(Object.assign(document.createElement("h2"), { textContent: title }));
    if (words(before) === title) before.remove();
    last = title;
  }
}

/* The answers to the self-tests, whose reasons are on the site: a line for each of their pages. */
function selftests() {
  const parts = [...document.querySelectorAll(".part:has(.question)")];
  const lines = parts.map((part) => {
    const answers = [...part.querySelectorAll(".question")].map((question) => {
      return `${words(question.querySelector("h2")).replace("Question ", "")}\u00a0${question.dataset.right.replaceAll(" ", "\u00a0")}`;
    });
    return Object.assign(document.createElement("p"), { textContent: answers.join(" · ") });
  });
  return lines.length ? [Object.assign(document.createElement("h2"), { textContent: "Test yourself" }), ...lines] : [];
}

/* The contents: a line for every page of the site and every section of it. */
function list() {
  const nav = document.querySelector(".book-contents");
  const heads = document.querySelectorAll(".part > h1, .part > section > h2, .at-the-end > :is(h1, h2)");
  heads.forEach((heading, number) => {
    const caption = heading.matches(".part > h1") && heading.parentElement.dataset.caption;
    if (caption) nav.append(Object.assign(document.createElement("p"), { className: "caption", textContent: caption }));
    const line = document.createElement("a");
    line.className = heading.tagName;
    line.href = `#line-${number}`;
    const text = document.createElement("span");
    text.append(...heading.cloneNode(true).childNodes);
    line.append(text, document.createElement("i"), document.createElement("b"));
    nav.append(line);
    heading.prepend(Object.assign(document.createElement("span"), { id: `line-${number}` }));
  });
  return heads.length;
}

function paginate(numbers) {
  document.querySelectorAll(".book-contents b").forEach((slot, line) => { slot.textContent = numbers[line]; });
}
