/* Starts reveal.js, lets pictures fill their slides, and gives an explorer its keys. */
"use strict";

const SIZE = { width: 1280, height: 720 };

/* Each picture as wide as its slide has room for; a tall explorer has its controls beside it. */
function fit(slide) {
  for (const canvas of slide.querySelectorAll(".explorer-canvas")) {
    const [width, height] = canvas.style.aspectRatio.split("/").map(Number);
    canvas.closest(".explorer").classList.toggle("beside", width / height < 1.9);
    canvas.style.maxWidth = "none";
    for (let round = 0; round < 2; round++) { // a narrower picture may leave its text more room
      const over = slide.scrollHeight - SIZE.height;
      if (over <= 0) break;
      canvas.style.maxWidth = `${Math.floor((canvas.offsetHeight - over - 1) * width / height)}px`;
    }
  }
}

/* In an explorer keys are its own, but for those of a presenter's remote control and Escape. */
function keys(event) {
  const root = event.target.closest(".explorer");
  if (!root) return;
  event.stopPropagation();
  if (event.key === "Escape") event.target.blur();
  if (!["PageDown", "PageUp"].includes(event.key)) return;
  event.preventDefault();
  event.target.blur();
  if (event.key === "PageDown") Reveal.next();
  else Reveal.prev();
}

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".explorer").forEach((root) => root.addEventListener("keydown", keys));
  Reveal.on("ready", ({ currentSlide }) => fit(currentSlide));
  Reveal.on("slidechanged", ({ currentSlide }) => {
    document.activeElement?.blur();
    fit(currentSlide);
  });
  Reveal.initialize({
    ...SIZE, margin: 0.02, center: false, hash: true, transition: "none", slideNumber: "c/t",
    plugins: [RevealNotes],
  });
});
