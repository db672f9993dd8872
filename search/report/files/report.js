"use strict";

// Figures are drawn one by one, with a pause for the browser after each: a page with a thousand
// trials can be read at once.
const PAPER_WIDTH = 690; // CSS pixels between the margins of A4 and of Letter
const isNarrow = window.innerWidth < 640; // the buttons would cover the legend
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: isNarrow ? false : "hover" };

function drawFigures() {
  const waiting = [...document.querySelectorAll("script[data-figure]")];
  const drawNext = () => {
    const source = waiting.shift();
    if (!source) {
      document.documentElement.dataset.drawn = "yes";
      return;
    }
    draw(source);
    setTimeout(drawNext, 0);
  };
  drawNext();
  window.addEventListener("beforeprint", () => {
    waiting.splice(0).forEach(draw);
    resize(PAPER_WIDTH);
  });
  window.addEventListener("afterprint", () => resize(null));
}

function draw(source) {
  const { data, layout } = JSON.parse(source.textContent);
  const place = document.getElementById(source.dataset.figure);
  if (data.some((trace) => trace.type === "parcoords") && !hasWebGL()) {
    place.style.height = "auto";
    place.textContent = "This browser has no WebGL, which this figure needs.";
    return;
  }
  Plotly.newPlot(place, data, layout, CONFIG);
}

function hasWebGL() {
  return document.createElement("canvas").getContext("webgl") !== null;
}

function resize(width) {
  for (const plot of document.querySelectorAll(".plot")) {
    if (!plot.data) continue;
    if (width === null) Plotly.relayout(plot, { width: null, autosize: true });
    else Plotly.relayout(plot, { width });
  }
}

function enableTable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  for (const row of rows) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "copy", textContent: "copy" });
    button.dataset.number = parseInt(row.cells[0].textContent, 10);
    row.insertCell().append(button);
  }
  for (const header of headers) {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(header));
  }

  function sortBy(header) {
    const descending = header.getAttribute("aria-sort") === "ascending";
    headers.forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sign = descending ? -1 : 1;
    const isNumber = header.classList.contains("number");
    const keyOf = (row) => row.cells[header.cellIndex].textContent.trim();
    const compare = (one, other) => {
      const [a, b] = [keyOf(one), keyOf(other)];
      if ((a === "") !== (b === "")) return a === "" ? 1 : -1; // what is unknown comes last
      return sign * (isNumber ? parseFloat(a) - parseFloat(b) : a.localeCompare(b));
    };
    body.append(...rows.sort(compare));
  }

  const [text, ending] = [document.getElementById("text"), document.getElementById("ending")];
  const count = document.getElementById("count");
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      const matches = words.every((word) => content.includes(word)) &&
        (!ending.value || row.cells[1].textContent.trim() === ending.value);
      row.hidden = !matches;
      shown += matches;
    }
    count.textContent = `${shown} of ${rows.length} trials`;
  };
  text.addEventListener("input", filter);
  ending.addEventListener("change", filter);
  filter();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const { number } = button.dataset;
  const command = number
    ? document.body.dataset.repeat.replaceAll("NUMBER", number)
    : button.nextElementSibling.textContent;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(command.trim());
    button.textContent = "copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  } catch {
    window.prompt("Copy this command:", command.trim()); // a page from a file may not use the clipboard
  }
});

drawFigures();
document.querySelectorAll("table.trials").forEach(enableTable);
