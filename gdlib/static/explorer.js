/* The Explorer's one script, for two hosts: a page loads it as a classic script and every
 * `.explorer` in it comes alive; Jupyter imports it as a module (anywidget) and calls `render`.
 * What a test or a teacher can hold on to in the DOM:
 *   .explorer#fig-<name>            one explorer; `data-ready` once its sliders work
 *   input[type=range][data-slider]  its sliders, 0 … positions − 1; `output` beside each
 *   [data-actor]                    what moves: `polyline` points, `path` d, `image` href
 *   .explorer-pick > i              a marker on a map, placed by `left` and `top` in percent
 *   [data-text=readout|pytorch]     the sentences
 *   button[data-do=play|reset|link], .explorer-status
 * Address: #fig-<name>?<slider's slug>=<value>&… */
"use strict";

/* Numbers: what gdlib/explore/pack.py did, undone. */
async function unpack(deflated, specs) {
  const inflated = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(inflated).arrayBuffer());
  let from = 0;
  return specs.map(({ shape, delta, wide }) => {
    const size = shape.reduce((a, b) => a * b);
    const values = new Int16Array(size);
    for (let i = 0; i < size; i++) {
      const zigzag = bytes[from + i] | (wide ? bytes[from + size + i] << 8 : 0);
      values[i] = (zigzag >>> 1) ^ -(zigzag & 1);
    }
    from += wide ? 2 * size : size;
    for (const axis of delta) {
      const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      for (let i = stride; i < size; i++) {
        if (Math.floor(i / stride) % shape[axis]) values[i] += values[i - stride];
      }
    }
    return { values, shape };
  });
}

/* The items of a channel at the sliders' positions; an axis of size 1 does not care. */
function slice({ values, shape }, at) {
  const items = shape[shape.length - 1];
  const offset = at.reduce((sum, p, i) => sum * shape[i] + (shape[i] > 1 ? p : 0), 0);
  return values.subarray(offset * items, (offset + 1) * items);
}

/* Drawing sets attributes and nothing else. */
function drawMark(node, actor, channels, at, scale) {
  const x = slice(channels[actor.x], at), y = slice(channels[actor.y], at);
  let count = actor.count === null ? x.length : slice(channels[actor.count], at)[0] & 65535;
  if (actor.upto !== null) count = Math.min(count, at[actor.upto] + 1);
  const line = [], dots = [];
  for (let i = 0; i < count; i++) {
    line.push(x[i] + "," + y[i]);
    dots.push("M" + x[i] + " " + y[i] + "h0");
  }
  node.querySelector("polyline")?.setAttribute("points", line.join(" "));
  node.querySelector(".dots")?.setAttribute("d", dots.join(""));
  node.querySelector(".head")?.setAttribute("d", count ? dots[count - 1] : "");
  const label = node.querySelector("text");
  if (!label) return;
  const [left, top, right, bottom] = actor.box;
  let k = count - 1; // the last point in sight
  while (k >= 0 && !(left <= x[k] && x[k] <= right && top <= y[k] && y[k] <= bottom)) k--;
  const [beside, anchor] = 2 * x[k] > left + right ? [-7, "end"] : [7, "start"];
  label.setAttribute("x", k < 0 ? -9999 : x[k] / scale + beside);
  label.setAttribute("y", k < 0 ? 0 : y[k] / scale - 5);
  label.setAttribute("text-anchor", anchor);
}

function drawImage(node, actor, channels, at) {
  const levels = slice(channels[actor.v], at);
  const [width, height] = [actor.columns, actor.rows];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pixels = new ImageData(width, height);
  const palette = actor.colors ??= fromBase64(actor.palette);
  levels.forEach((level, i) => pixels.data.set(palette.subarray(4 * level, 4 * level + 4), 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  node.setAttribute("href", canvas.toDataURL());
}

const sentence = (parts, channels, at) => parts.map(
  (part) => part.texts ? part.texts[slice(channels[part.v], at)[0] & 65535] : part).join("");

const nearest = (numbers, value) => numbers.reduce(
  (best, n, i) => Math.abs(n - value) < Math.abs(numbers[best] - value) ? i : best, 0);
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/* One explorer: its sliders' positions, and everything that follows them. */
function createExplorer(root, meta, channels, signal) {
  const at = [...meta.start];
  const actors = meta.actors.map((_, i) => root.querySelector(`[data-actor="${i}"]`));
  const markers = [...root.querySelectorAll(".explorer-pick")];
  const texts = [...root.querySelectorAll("[data-text]")];
  const status = root.querySelector(".explorer-status");
  let rest;

  const draw = () => {
    meta.actors.forEach((actor, i) => {
      if (actor.rows) drawImage(actors[i], actor, channels, at);
      else drawMark(actors[i], actor, channels, at, meta.scale);
    });
    markers.forEach((marker, i) => drawPick(marker, meta.sliders, meta.picks[i], at));
    texts.forEach((n) => { n.textContent = sentence(meta.texts[n.dataset.text], channels, at); });
  };
  const explorer = {
    at,
    playing: false,
    stop() {},
    follow() {},
    /* Move some sliders: {index: position}. Positions off the end stop at the end. */
    move(changes) {
      if (changes[meta.play] !== undefined && changes[meta.play] !== at[meta.play]) explorer.stop();
      explorer.step(changes);
    },
    step(changes) { // the same without an end to playing
      const before = String(at);
      for (const [i, position] of Object.entries(changes)) {
        at[i] = Math.max(0, Math.min(meta.sliders[i].labels.length - 1, position));
      }
      if (String(at) === before) return;
      draw();
      explorer.follow();
      if (!explorer.playing) explorer.say();
    },
    /* To a screen reader: a text at once, the read-out once the reader rests. */
    say(text) {
      clearTimeout(rest);
      const readout = () => root.querySelector("[data-text=readout]")?.textContent ?? "";
      rest = setTimeout(() => { status.textContent = text ?? readout(); }, text ? 0 : 700);
    },
  };
  markers.forEach((marker, i) => listenPick(marker, meta.picks[i], explorer, signal));
  const [play, reset] = ["play", "reset"].map((what) => root.querySelector(`[data-do=${what}]`));
  if (play) explorer.stop = startPlay(explorer, meta, play, signal);
  reset.addEventListener("click", () => explorer.move({ ...meta.start }), { signal });
  const stage = root.querySelector(".explorer-stage");
  const width = new ResizeObserver(() => { // one that scrolls must be reachable by keyboard
    stage.tabIndex = stage.scrollWidth > stage.clientWidth + 1 ? 0 : -1;
  });
  width.observe(stage);
  signal.addEventListener("abort", () => {
    width.disconnect();
    explorer.stop();
    clearTimeout(rest);
  });
  draw();
  root.querySelectorAll("input, button").forEach((control) => { control.disabled = false; });
  return explorer;
}

function drawPick(marker, rows, { sliders, places }, at) {
  const [left, top] = places.map((row, k) => row ? 100 * row[at[sliders[k]]] + "%" : "50%");
  Object.assign(marker.firstElementChild.style, { left, top });
  const mine = sliders.filter((i) => i !== null);
  marker.ariaValueNow = at[mine[0]];
  marker.ariaValueText = mine.map((i) => rows[i].name + " " + rows[i].labels[at[i]]).join(", ");
}

function listenPick(marker, { sliders, places }, explorer, signal) {
  const on = (type, listener) => marker.addEventListener(type, listener, { signal });
  const toPointer = (event) => {
    const box = marker.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const changes = {};
    places.forEach((row, k) => { if (row) changes[sliders[k]] = nearest(row, at[k]); });
    explorer.move(changes);
  };
  on("pointerdown", (event) => marker.setPointerCapture(event.pointerId));
  on("pointerdown", toPointer);
  on("pointermove", (event) => marker.hasPointerCapture(event.pointerId) && toPointer(event));
  on("keydown", (event) => {
    const way = ["ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp"].indexOf(event.key);
    if (way < 0) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
    const i = sliders[way % 2] ?? sliders[1 - way % 2]; // one slider takes both pairs of arrows
    explorer.move({ [i]: explorer.at[i] + (way < 2 ? -1 : 1) });
  });
}

/* Play one slider from where it stands to its end, in about six seconds; returns what stops it. */
function startPlay(explorer, meta, button, signal) {
  const i = meta.play, end = meta.sliders[i].labels.length - 1, stride = Math.ceil(end / 150);
  let timer;
  const stop = () => {
    clearInterval(timer);
    if (!explorer.playing) return;
    explorer.playing = false;
    button.textContent = "Play";
    explorer.say();
  };
  const step = () => {
    explorer.step({ [i]: explorer.at[i] + stride });
    if (explorer.at[i] === end) stop();
  };
  button.addEventListener("click", () => {
    if (explorer.playing) return stop();
    if (explorer.at[i] === end) explorer.step({ [i]: 0 });
    else step();
    if (explorer.at[i] === end || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    explorer.playing = true;
    button.textContent = "Pause";
    timer = setInterval(step, 6000 * stride / (end + 1));
  }, { signal });
  return stop;
}

/* Host: Jupyter. */
async function render({ model, el }) {
  const abort = new AbortController();
  const meta = model.get("meta");
  // Several views of one model share a document: each gets ids of its own.
  const own = meta.prefix + Math.random().toString(36).slice(2) + "-";
  el.innerHTML = `<div class="explorer">${model.get("html").replaceAll(meta.prefix, own)}</div>`;
  const channels = await unpack(model.get("data"), meta.channels);
  const explorer = createExplorer(el, meta, channels, abort.signal);
  // The traits p0, p1, … are joined to the sliders: a value on a log scale, else a position.
  const listeners = meta.sliders.map(({ log, values }, i) => () => {
    const value = model.get("p" + i);
    explorer.move({ [i]: log ? nearest(values.map(Math.log), Math.log(value)) : value });
  });
  listeners.forEach((listen, i) => model.on("change:p" + i, listen));
  listeners.forEach((listen) => listen());
  explorer.follow = () => {
    meta.sliders.forEach(({ log, values }, i) =>
      model.set("p" + i, log ? values[explorer.at[i]] : explorer.at[i]));
    model.save_changes();
  };
  return () => {
    abort.abort();
    listeners.forEach((listen, i) => model.off("change:p" + i, listen));
  };
}

/* Host: a page. */
async function start(root) {
  const meta = JSON.parse(root.querySelector(".explorer-meta").textContent);
  const data = fromBase64(root.querySelector(".explorer-data").textContent);
  const { signal } = new AbortController(); // a page's listeners live as long as the page
  const explorer = createExplorer(root, meta, await unpack(data, meta.channels), signal);
  const inputs = [...root.querySelectorAll("input[data-slider]")];
  const link = root.querySelector("button[data-do=link]");
  explorer.follow = () => inputs.forEach((input, i) => {
    const label = meta.sliders[i].labels[explorer.at[i]];
    input.value = explorer.at[i];
    input.ariaValueText = label;
    input.parentElement.querySelector("output").textContent = label;
  });
  inputs.forEach((input, i) =>
    input.addEventListener("input", () => explorer.move({ [i]: +input.value })));
  link.addEventListener("click", async () => {
    const query = meta.sliders.map(({ slug, labels }, i) =>
      slug + "=" + encodeURIComponent(labels[explorer.at[i]])).join("&");
    history.replaceState(history.state, "", `#${root.id}?${query}`);
    link.textContent = await copy(location.href) ? "Copied" : "In the address bar";
    explorer.say(link.textContent);
    setTimeout(() => { link.textContent = "Copy link"; }, 2000);
  });
  const restore = () => {
    const changes = readAddress(root.id, meta.sliders);
    if (!changes) return;
    explorer.move(changes);
    root.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", restore);
  root.dataset.ready = "";
  restore();
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

// In a module, as Jupyter loads it, there is no current script.
if (document.currentScript) addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll(".explorer:has(.explorer-data)").forEach(start));
