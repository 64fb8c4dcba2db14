
/* Host: Jupyter, which loads this after explorer.js, as one module of anywidget. */
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
  const redraw = async () => { // other numbers on the same stage
    const next = model.get("meta"), fresh = await unpack(model.get("data"), next.channels);
    if (next !== model.get("meta")) return; // a later picture is on its way
    Object.assign(meta, next);
    channels.splice(0, channels.length, ...fresh);
    explorer.draw();
    explorer.say();
  };
  model.on("change:meta", redraw);
  return () => {
    abort.abort();
    model.off("change:meta", redraw);
    listeners.forEach((listen, i) => model.off("change:p" + i, listen));
  };
}

export default { render };
