/* The page of predictions, filtered by typing: a row stays if all words stand in it, in its theory or in its chapter's
 * title. The field is made here: without a script there is nothing to type into, and all rows are there. */
"use strict";

{
  const simple = (text) => text.normalize("NFKC").toLowerCase().replaceAll("−", "-");
  const groups = [...document.querySelectorAll("table.predictions tbody")];
  const rows = groups.flatMap((group) => {
    const title = group.closest("section").querySelector("h2").textContent;
    const around = `${title} ${title.replace(/\D*(\d+).*/s, "chapter-$1.")} ${group.rows[0].textContent}`;
    return [...group.rows].slice(1).map((row) => (
      { row, text: simple([around, ...[...row.cells].map((cell) => cell.textContent)].join(" ")) }));
  });
  const form = document.createElement("form");
  form.className = "predictions-filter";
  form.setAttribute("role", "search");
  form.setAttribute("aria-label", "Predictions");
  form.innerHTML = '<label for="filter">Show predictions with</label> '
    + '<input id="filter" type="search" autocomplete="off" spellcheck="false"> <span role="status"></span>';
  const [input, status] = [form.querySelector("input"), form.querySelector("span")];

  const filter = () => {
    const words = simple(input.value).replace(/chapter\s+(\d+)/, "chapter-$1.").split(/\s+/).filter(Boolean);
    for (const { row, text } of rows) row.hidden = !words.every((word) => text.includes(word));
    for (const group of groups) group.hidden = [...group.rows].slice(1).every((row) => row.hidden);
    for (const table of document.querySelectorAll("table.predictions")) {
      table.closest("section").hidden = [...table.tBodies].every((group) => group.hidden);
    }
    status.textContent = `${rows.filter(({ row }) => !row.hidden).length} of ${rows.length}`;
    if (rows.every(({ row }) => row.hidden)) status.textContent += ": try an id (P5.7), a sign (κ) or a word of the claim";
  };
  const clear = () => {
    input.value = "";
    filter();
  };
  input.addEventListener("input", filter);
  input.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("click", (event) => { // a link to what is filtered away shows it
    const place = event.target.closest('a[href^="#"]')?.hash.slice(1);
    if (place && document.getElementById(place)?.closest("[hidden]")) clear();
  }, true);
  document.querySelector("table.predictions")?.closest("section").before(form);
  filter();
}
