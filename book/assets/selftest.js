/* A self-test's numbers: one that is typed in is right, too small or too large. Nothing is kept or sent. */
"use strict";

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/* What a text may mean as a number: 1,000 is a thousand, or one where commas part decimals. */
function readings(text) {
  const typed = text.replace(/[−–]/g, "-").replace(/[\s'’_]/g, "");
  const english = typed.replace(/^([-+]?[1-9]\d{0,2})((?:,\d{3})+)(?!\d|,)/, (_, first, groups) => first + groups.replaceAll(",", ""));
  const continental = typed.replace(/^([-+]?[1-9]\d{0,2})((?:\.\d{3})+)(?=,)/, (_, first, groups) => first + groups.replaceAll(".", ""));
  return [english, continental.replace(",", ".")].filter((plain) => NUMBER.test(plain)).map(Number);
}

function check(form) {
  const { value, within } = form.dataset, found = readings(form.querySelector("input").value);
  // 0.21 − 0.2 is a little less than 0.01, 0.2 − 0.19 a little more.
  const slack = Number(within) + 1e-9 * Math.abs(value);
  const right = found.some((number) => Math.abs(number - value) <= slack);
  form.dataset.verdict = right ? "right" : found.length ? "wrong" : "unread";
  form.querySelector("output").textContent = right ? "Right."
    : !found.length ? "That is no number. Write one such as 1200, 0.05 or 5e-2."
    : found[0] < value ? "Not yet: too small." : "Not yet: too large.";
  if (right) form.nextElementSibling.open = true;
}

for (const form of document.querySelectorAll(".question form.number")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check(form);
  });
  form.addEventListener("input", () => {
    form.querySelector("output").textContent = "";
    delete form.dataset.verdict;
  });
}
