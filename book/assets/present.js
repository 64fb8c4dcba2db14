/* One explorer alone on the screen, large, for a room: an address that ends in `&present`, or its button.
 * Everything else is inert, so that Tab walks its sliders only; Escape leads back to the page. */
"use strict";

const PRESENT = /[?&]present(?==|&|$)(?:=[^&]*)?/;

function present() {
  const [target] = location.hash.slice(1).split("?");
  const root = PRESENT.test(location.hash) ? document.getElementById(target) : null;
  const before = document.querySelector(".presented");
  const shown = root?.matches(".explorer") ? root : null;
  if (before === shown) return;
  before?.classList.remove("presented", "beside");
  document.documentElement.classList.toggle("presents", Boolean(shown));
  for (const other of document.querySelectorAll("[data-aside]")) {
    other.inert = false;
    delete other.dataset.aside;
  }
  if (!shown) return before?.scrollIntoView({ block: "start" });
  shown.classList.add("presented");
  for (let part = shown; part !== document.body; part = part.parentElement) {
    for (const other of part.parentElement.children) {
      if (other === part || other.inert || /^(script|style)$/i.test(other.localName)) continue;
      other.inert = true;
      other.dataset.aside = "";
    }
  }
  const fit = () => { // the largest at which nothing scrolls, with the sliders below the picture or beside it
    if (!shown.matches(".presented")) return removeEventListener("resize", fit);
    for (let zoom = 2.4; zoom >= 0.5; zoom -= 0.05) {
      shown.style.setProperty("--zoom", zoom);
      for (const beside of [false, true]) {
        shown.classList.toggle("beside", beside);
        if (shown.scrollHeight <= innerHeight && shown.scrollWidth <= innerWidth) return;
      }
    }
    shown.classList.remove("beside"); // a telephone: it scrolls
    shown.style.setProperty("--zoom", 1);
  };
  addEventListener("resize", fit);
  fit();
  const first = () => (shown.querySelector("input[type=range], input:checked")
    ?? shown.querySelector(".explorer-pick"))?.focus();
  first();
  new MutationObserver((_, seen) => { seen.disconnect(); first(); })
    .observe(shown, { attributeFilter: ["data-ready"] });
}

addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !document.querySelector(".presented")) return;
  history.replaceState(history.state, "", location.hash.replace(PRESENT, "").replace(/^([^?]*)&/, "$1?"));
  present();
});
addEventListener("hashchange", present);
addEventListener("DOMContentLoaded", () => {
  for (const buttons of document.querySelectorAll(".explorer-buttons:has([data-do=link])")) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Present" });
    button.addEventListener("click", () => {
      const { id } = buttons.closest(".explorer");
      location.hash = `${id}?present`;
    });
    buttons.querySelector("[data-do=link]").after(button);
  }
  present();
});
