/* Five things that a page does while it is read. */
"use strict";

/* A displayed formula that is wider than the screen scrolls; so that a keyboard can scroll it, it takes
 * the focus. A window may change its width. */
function reach() {
  for (const formula of document.querySelectorAll("div.math")) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);

/* A fold's button is called what stands beside it, not the same everywhere. */
addEventListener("load", () => {
  for (const button of document.querySelectorAll(".admonition-title > .toggle-button")) {
    button.setAttribute("aria-label", button.parentElement.firstChild.textContent.trim());
  }
});

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());

/* The contents follow the reader: the active entry stays in the middle of its column, unless the
 * reader is there. Only the column scrolls, never the page. */
const contents = document.querySelector(".bd-sidebar-secondary");
function follow() {
  const link = [...contents.querySelectorAll("a.active, a[aria-current=true]")].at(-1);
  if (!link || contents.matches(":hover, :focus-within")) return;
  const [column, entry] = [contents.getBoundingClientRect(), link.getBoundingClientRect()];
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  contents.scrollBy({ top: entry.top - column.top - column.height / 2, behavior });
}
if (contents) {
  new MutationObserver(follow).observe(contents, { subtree: true, attributeFilter: ["class", "aria-current"] });
}

/* On paper nothing unfolds: hints, answers and solutions stand at the end of the chapter, each under
 * the heading it belongs to; code that only makes a figure stays folded away. */
const moved = [];
addEventListener("beforeprint", () => {
  const article = document.querySelector("article.bd-article > section");
  const folded = [...document.querySelectorAll(".bd-article :is(.cell.tag_hide-cell, .admonition.dropdown)")]
    .filter((fold) => fold.matches(".cell") || /answer|hint/i.test(fold.firstElementChild.textContent));
  if (!article || !folded.length || moved.length) return;
  const end = document.createElement("section");
  end.className = "at-the-end";
  end.append(Object.assign(document.createElement("h2"), { textContent: "Hints, answers and solutions" }));
  let last;
  for (const fold of folded) {
    const heading = fold.closest("section").querySelector("h1, h2, h3, h4");
    if (heading !== last) {
      const title = heading.cloneNode(true);
      title.querySelector(".headerlink")?.remove();
      end.append(Object.assign(document.createElement("h3"), { innerHTML: title.innerHTML }));
    }
    last = heading;
    const place = document.createComment("");
    fold.replaceWith(place);
    end.append(fold);
    moved.push([place, fold]);
    for (const details of fold.querySelectorAll("details:not([open])")) {
      details.open = true;
      moved.push([null, details]);
    }
  }
  article.append(end);
});
addEventListener("afterprint", () => {
  for (const [place, element] of moved.splice(0)) {
    if (place) place.replaceWith(element);
    else element.open = false;
  }
  document.querySelector(".at-the-end")?.remove();
});
