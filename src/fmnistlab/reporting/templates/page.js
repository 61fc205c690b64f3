"use strict";
// Tables that can be sorted: a button in each head; the order is told by aria-sort.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const number = Number.parseFloat(cell.dataset.value);
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number.isNaN(number) ? -1 : number;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (column === 0 && !head.hasAttribute("aria-sort"));
      const sign = up ? 1 : -1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((one, other) => {
        const [a, b] = [value(one, column), value(other, column)];
        return sign * (typeof a === "string" ? a.localeCompare(b, "en") : a - b);
      });
      body.append(...rows);
    });
  });
}
// Of one class all mistakes are shown, those too that are folded away.
for (const input of document.querySelectorAll(".filter input")) {
  input.addEventListener("change", () => {
    for (const more of document.querySelectorAll("details.more")) more.open = input.id !== "f-all";
  });
}
// Who opens a box by keyboard is led into it; the browser leads back.
for (const box of document.querySelectorAll(".cell")) {
  box.addEventListener("toggle", (event) => {
    if (event.newState === "open") box.querySelector(".close").focus();
  });
}
// What is folded is printed too; afterwards it is folded again.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(.more)")];
  for (const part of opened) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of opened) part.open = false;
});
