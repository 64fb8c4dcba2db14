/* The Explorer's script, for two hosts: a page adds page.js, Jupyter adds jupyter.js.
 * What a test or a teacher can hold on to in the DOM:
 *   .explorer#fig-<name>            one explorer; `data-ready` once its sliders work
 *   [data-slider]                   input[type=range], 0 … positions − 1, `output` beside it;
 *                                   or input[type=radio], one for each of a few values
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
    draw,
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
  reset?.addEventListener("click", () => explorer.move({ ...meta.start }), { signal });
  signal.addEventListener("abort", () => {
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

/* The mouse moves the marker from anywhere; a finger drags the marker itself, or taps the map, so
 * that a page can be scrolled with the finger on a map. */
function listenPick(marker, { sliders, places }, explorer, signal) {
  const on = (type, listener) => marker.addEventListener(type, listener, { signal });
  const toPointer = (event) => {
    const box = marker.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const changes = {};
    places.forEach((row, k) => { if (row) changes[sliders[k]] = nearest(row, at[k]); });
    explorer.move(changes);
  };
  let held; // the pointer that drags
  on("pointerdown", (event) => {
    if (event.pointerType === "touch" && event.target === marker) return;
    marker.setPointerCapture(held = event.pointerId);
    toPointer(event);
  });
  on("pointermove", (event) => event.pointerId === held && toPointer(event));
  on("lostpointercapture", () => { held = undefined; });
  on("click", toPointer);
  on("keydown", (event) => {
    const keys = ["ArrowLeft", "ArrowDown", "ArrowRight", "ArrowUp", "Home", "PageDown", "End", "PageUp"];
    const way = keys.indexOf(event.key);
    if (way < 0) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would move to another cell
    const i = sliders[way % 2] ?? sliders[1 - way % 2]; // one slider takes both pairs of keys
    const stride = way < 4 ? 1 : Infinity;
    explorer.move({ [i]: explorer.at[i] + (way % 4 < 2 ? -stride : stride) });
  });
}

/* Play one slider from where it stands to its end, in about six seconds; returns what stops it. */
function startPlay(explorer, meta, button, signal) {
  const i = meta.play, end = meta.sliders[i].labels.length - 1, stride = Math.ceil(end / 150);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer;
  const say = (what) => {
    button.textContent = { Play: "▶", Pause: "❚❚", Step: "Step" }[what];
    button.ariaLabel = `${what} ${meta.sliders[i].name}`;
  };
  const rest = () => say(still.matches ? "Step" : "Play");
  const stop = () => {
    clearInterval(timer);
    if (!explorer.playing) return;
    explorer.playing = false;
    rest();
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
    if (explorer.at[i] === end || still.matches) return;
    explorer.playing = true;
    say("Pause");
    timer = setInterval(step, 6000 * stride / (end + 1));
  }, { signal });
  rest();
  return stop;
}
