"use strict";
(() => {
  const collator = new Intl.Collator(undefined, { numeric: true });
  const said = document.getElementById("said");

  function key(row, column, kind) {
    const cell = row.cells[column];
    if (kind === "text") return cell.textContent.trim();
    const value = cell.dataset.value;
    return value === undefined ? null : Number(value);
  }

  function compare(a, b, kind, sign) {
    if (a === b) return 0;
    if (a === null) return 1; // who has no number comes last, whichever way it goes
    if (b === null) return -1;
    return sign * (kind === "text" ? collator.compare(a, b) : a - b);
  }

  function sort(table, heading) {
    const direction = heading.ariaSort === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    const kind = heading.dataset.kind;
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [key(row, heading.cellIndex, kind), row]);
    keyed.sort(([a], [b]) => compare(a, b, kind, sign));
    const sorted = document.createDocumentFragment();
    for (const [, row] of keyed) sorted.append(row);
    body.append(sorted);
    for (const other of table.tHead.rows[0].cells) {
      if (other.ariaSort) other.ariaSort = other === heading ? direction : "none";
    }
    said.textContent = `Sorted by ${heading.textContent.trim()}, ${direction}.`;
  }

  function find(table, words) {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(words);
      shown += row.hidden ? 0 : 1;
    }
    said.textContent = `${shown} of ${table.tBodies[0].rows.length} patients shown.`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) sort(table, button.closest("th"));
    });
  }

  const results = document.getElementById("results-table");
  const input = document.getElementById("find");
  if (results) {
    input.closest("label").hidden = false;
    input.addEventListener("input", () => find(results, input.value.trim().toLowerCase()));
  }

  const settings = document.querySelector("details.settings");
  let wasOpen = false;
  addEventListener("beforeprint", () => {
    wasOpen = settings.open;
    settings.open = true;
  });
  addEventListener("afterprint", () => {
    settings.open = wasOpen;
  });
})();
