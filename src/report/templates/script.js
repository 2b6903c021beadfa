const root = document.documentElement;
document.getElementById("theme").addEventListener("click", () => {
  const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.addEventListener("click", (event) => {
    const th = event.target.closest("th");
    if (!th) return;
    const direction = th.ariaSort === "ascending" ? -1 : 1;
    for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const key = (row) => row.cells[th.cellIndex].dataset.value ?? row.cells[th.cellIndex].textContent;
    const compare = (a, b) => {
      if (isNaN(a) && isNaN(b)) return direction * a.localeCompare(b);
      return isNaN(a) ? 1 : isNaN(b) ? -1 : direction * (a - b);
    };
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
  });
}
for (const overlay of document.querySelectorAll(".overlay")) {
  const [metric, run] = overlay.querySelectorAll("select");
  const show = () => {
    const all = metric.value === "all";
    overlay.classList.toggle("single", !all);
    for (const chart of overlay.querySelectorAll("[data-chart]")) chart.hidden = !all && chart.dataset.chart !== metric.value;
  };
  const pick = () => {
    for (const line of overlay.querySelectorAll(".picked")) line.classList.remove("picked");
    if (run.value) for (const line of overlay.querySelectorAll(`[data-run="${run.value}"]`)) line.classList.add("picked");
    overlay.classList.toggle("picking", run.value !== "");
  };
  metric.addEventListener("change", show);
  run.addEventListener("change", pick);
  show();
  pick();
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.parentNode.querySelector("code");
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected";
  }
});
