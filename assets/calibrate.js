// The page of `carryout calibrate --page`: pairs of a pixel and a place are collected here, everything else is computed by
// the command. Whenever a pair comes or goes, all of them are sent and what is found is drawn over the picture.
"use strict";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let shop = null;
let pending = null; // a pixel that has no place yet
let points = []; // { name, pixel: [u, v], at: [x, y, z] }
let asked = 0; // answers that were overtaken are not shown

function draw(kind, attributes, parent, text) {
  const node = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function number(id) {
  const value = Number($(id).value.trim().replace(",", "."));
  return $(id).value.trim() !== "" && Number.isFinite(value) ? value : null;
}

async function ask(path) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ points }),
  });
  return answer.json();
}

function drawPlan() {
  const plan = $("plan");
  const [left, low, right, high] = shop.extent;
  const flip = (y) => high + low - y; // y counts up on the floor
  plan.setAttribute("viewBox", `${left - 0.5} ${low - 0.5} ${right - left + 1} ${high - low + 1}`);
  const corners = (polygon) => polygon.map(([x, y]) => `${x},${flip(y)}`).join(" ");
  draw("polygon", { points: corners(shop.outline) }, plan).style.fill = "none";
  for (const bay of shop.bays) draw("polygon", { points: corners(bay) }, plan);
  for (const [from, to] of shop.lines) draw("line", { x1: from[0], y1: flip(from[1]), x2: to[0], y2: flip(to[1]) }, plan);
  for (const known of shop.known) {
    const option = document.createElement("option");
    option.value = known.name;
    $("known").append(option);
    if (known.at[2] > 0) continue; // above others; they are in the list
    const dot = draw("circle", { cx: known.at[0], cy: flip(known.at[1]), r: 0.09 }, plan);
    dot.dataset.name = known.name;
    draw("title", {}, dot, known.name);
    dot.addEventListener("click", () => {
      choose(known);
      if (pending) add();
    });
  }
}

function choose(known) {
  $("name").value = known.name;
  ["x", "y", "z"].forEach((id, axis) => { $(id).value = known.at[axis]; });
  ready();
}

function ready() {
  $("add").disabled = !(pending && number("x") !== null && number("y") !== null && number("z") !== null);
}

function add() {
  const at = [number("x"), number("y"), number("z")];
  if (!pending || at.includes(null)) return;
  const name = $("name").value.trim() || `point ${points.length + 1}`;
  points.push({ name, pixel: pending, at });
  pending = null;
  for (const id of ["name", "x", "y"]) $(id).value = "";
  $("z").value = "0";
  changed();
}

function show(fit) {
  const [width, height] = shop.size;
  const marks = $("marks");
  marks.replaceChildren();
  points.forEach((point, n) => {
    draw("circle", { cx: point.pixel[0], cy: point.pixel[1], r: width / 100 }, marks);
    draw("text", { x: point.pixel[0] + width / 80, y: point.pixel[1], "font-size": height / 30 }, marks, point.name);
  });
  if (pending) draw("circle", { cx: pending[0], cy: pending[1], r: width / 100, class: "pending" }, marks);
  $("grid").replaceChildren();
  for (const line of fit?.grid ?? []) draw("polyline", { points: line.map((p) => p.join(",")).join(" ") }, $("grid"));
  $("points").replaceChildren(
    ...points.map((point, n) => {
      const row = document.createElement("tr");
      const miss = fit?.misses?.[n];
      if (fit?.worst === n) row.className = "worst";
      const cells = [point.name, miss ? `${miss.px.toFixed(1)} px` : "", miss?.floor_cm != null ? `${miss.floor_cm.toFixed(1)} cm` : ""];
      for (const text of cells) row.append(Object.assign(document.createElement("td"), { textContent: text }));
      const away = Object.assign(document.createElement("button"), { textContent: "remove", type: "button" });
      away.addEventListener("click", () => { points.splice(n, 1); changed(); });
      row.append(away);
      return row;
    }),
  );
  for (const dot of document.querySelectorAll("#plan circle")) {
    dot.classList.toggle("taken", points.some((point) => point.name === dot.dataset.name));
  }
}

function say(text, wrong) {
  $("said").textContent = text;
  $("said").classList.toggle("wrong", wrong);
}

async function changed() {
  ready();
  const mine = ++asked;
  $("write").disabled = true;
  show(null);
  if (points.length < 4) return say(`${points.length} of at least 4 points`, false);
  const fit = await ask("fit");
  if (mine !== asked) return;
  show(fit);
  say(fit.error ?? fit.told, fit.error !== undefined);
  $("write").disabled = fit.error !== undefined;
}

$("picture").addEventListener("click", (event) => {
  const box = $("still").getBoundingClientRect();
  const [width, height] = shop.size;
  const round = (pixel) => Math.round(pixel * 10) / 10;
  pending = [round(((event.clientX - box.left) / box.width) * width), round(((event.clientY - box.top) / box.height) * height)];
  changed();
});
$("form").addEventListener("input", () => {
  const known = shop.known.find((known) => known.name === $("name").value);
  if (known && document.activeElement === $("name")) choose(known);
  ready();
});
$("form").addEventListener("submit", (event) => { event.preventDefault(); add(); });
$("write").addEventListener("click", async () => {
  $("write").disabled = true;
  const done = await ask("write");
  say(done.error ?? done.written, done.error !== undefined);
});

(async () => {
  shop = await (await fetch("shop.json")).json();
  $("title").textContent = `camera ${shop.camera}`;
  document.title = `calibrate ${shop.camera}`;
  $("over").setAttribute("viewBox", `0 0 ${shop.size[0]} ${shop.size[1]}`);
  drawPlan();
  await changed();
})();
