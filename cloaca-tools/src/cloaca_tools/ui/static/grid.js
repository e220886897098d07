// Says which run and task of the grid the pointer is over, or the focus.
(() => {
  const HEAD = 74, ROW = 20;
  const STATES = { c: "completed", f: "failed", s: "skipped", r: "running", w: "waiting", x: "cancelled", n: "not begun" };

  const says = (column, row) => {
    const words = column.getAttribute("aria-label");
    if (!row) return words;
    const place = [...column.parentNode.querySelectorAll("a")].indexOf(column), cell = row.dataset.cells.split(" ")[place];
    const state = STATES[cell[0]], attempts = cell.slice(1);
    return `${words} · ${row.textContent.trim()}${state ? `: ${state}` : ""}${attempts ? ` after ${attempts} attempts` : ""}`;
  };

  const tell = (event) => {
    const column = event.target.closest?.(".matrix-cells a"), out = document.getElementById("grid-says");
    if (!column || !out) return;
    const box = column.closest("svg").getBoundingClientRect();
    const row = "clientY" in event ? Math.floor((event.clientY - box.top - HEAD) / ROW) : -1;
    const rows = document.querySelectorAll("#grid .matrix-names li");
    const text = says(column, rows[row]);
    if (out.textContent !== text) out.textContent = text;
    rows.forEach((each, number) => each.classList.toggle("over", number === row));
  };

  document.addEventListener("pointermove", tell);
  document.addEventListener("focusin", tell);
})();
