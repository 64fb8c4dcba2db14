/* Host: a page, which loads this after explorer.js; every `.explorer` in it comes alive. */
"use strict";

const NEAR = "1500px"; // an explorer starts when it is so far from the screen

async function start(root) {
  root.dataset.started = "";
  await Promise.all([...root.querySelectorAll("script[data-src]")].map(load));
  const meta = JSON.parse(root.querySelector(".explorer-meta").textContent);
  const data = fromBase64(root.querySelector(".explorer-data").textContent);
  const { signal } = new AbortController(); // a page's listeners live as long as the page
  const explorer = createExplorer(root, meta, await unpack(data, meta.channels), signal);
  const inputs = meta.sliders.map(
    ({ slug }) => [...root.querySelectorAll(`input[data-slider="${slug}"]`)]);
  const link = root.querySelector("button[data-do=link]");
  explorer.follow = () => inputs.forEach((row, i) => row.forEach((input) => {
    const label = meta.sliders[i].labels[explorer.at[i]];
    if (input.type === "radio") input.checked = +input.value === explorer.at[i];
    else {
      input.value = explorer.at[i];
      input.ariaValueText = label;
      input.closest(".explorer-row").querySelector("output").textContent = label;
    }
  }));
  inputs.forEach((row, i) => row.forEach((input) =>
    input.addEventListener("input", () => explorer.move({ [i]: +input.value }))));
  link.addEventListener("click", async () => {
    const query = meta.sliders.map(({ slug, values, labels }, i) => slug + "=" + encodeURIComponent(
      values ? +values[explorer.at[i]].toPrecision(6) : labels[explorer.at[i]])).join("&");
    history.replaceState(SEEN, "", `#${root.id}?${query}`);
    link.textContent = await copy(location.href) ? "Copied" : "In the address bar";
    explorer.say(link.textContent);
    setTimeout(() => { link.textContent = "Copy link"; }, 2000);
  });
  const restore = () => {
    const changes = readAddress(root.id, meta.sliders);
    if (changes) explorer.move(changes);
  };
  addEventListener("hashchange", restore);
  root.dataset.ready = "";
  restore();
}

/* The text of a script element that the page keeps in a file of its own. */
function load(holder) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: holder.dataset.src });
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });
}

/* An address with positions brings its explorer on the screen, once: not when the reader comes
 * back to it with the back button, for the browser knows where they were. */
const SEEN = { explorer: "seen" };
function goTo() {
  const root = document.getElementById(location.hash.slice(1).split("?")[0]);
  if (!root?.matches(".explorer") || !location.hash.includes("?")) return;
  if (!("started" in root.dataset)) start(root);
  if (history.state?.explorer === SEEN.explorer) return;
  history.replaceState(SEEN, "");
  root.scrollIntoView({ block: "start" });
}

/* The positions that the address asks for; what it cannot mean is left out. */
function readAddress(id, sliders) {
  const [target, query] = location.hash.slice(1).split("?");
  if (target !== id || query === undefined) return null;
  const changes = {};
  for (const [slug, text] of new URLSearchParams(query)) {
    const i = sliders.findIndex((slider) => slider.slug === slug);
    if (i < 0) continue;
    const { labels, values } = sliders[i], number = text.trim() ? Number(text) : NaN;
    const known = values && number >= Math.min(...values) && number <= Math.max(...values);
    const position = known ? nearest(values, number) : labels.indexOf(text);
    if (position >= 0) changes[i] = position;
  }
  return changes;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // no clipboard on this page (file://, permission): the old way
    const area = Object.assign(document.createElement("textarea"), { value: text });
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

addEventListener("DOMContentLoaded", () => {
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      if (!("started" in target.dataset)) start(target);
    }
  }, { rootMargin: NEAR });
  document.querySelectorAll(".explorer:has(.explorer-data)").forEach((root) => near.observe(root));
  goTo();
  addEventListener("hashchange", goTo);
});
