// The status page. It draws what the daemon says and decides nothing.
//
// start -> log in if need be -> /api/v1/shop (the plan, once) -> /api/v1/stream (the whole picture, up to 5 a second).
// What staff decide is in decide.js, which is loaded first and uses the helpers below when it runs.
// Whatever comes from the daemon is set with textContent: a product's name can never become markup.
"use strict";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// ---- Small helpers -------------------------------------------------------------------------------------------------

function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function svg(tag, attributes, parent) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

/** Touches the page only when the words change, so that selections and screen readers are left in peace. */
function say(node, text) {
  const words = String(text);
  if (node.textContent !== words) node.textContent = words;
}

function classes(node, className) {
  if (node.getAttribute("class") !== className) node.setAttribute("class", className);
}

/** Makes `parent`'s children fit `items`, keeping the nodes of items that stay. `make(item)` gives {node, show}. */
function keep(parent, items, keyOf, make) {
  const kept = parent.kept || (parent.kept = new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, part] of kept) {
    if (!wanted.has(key)) {
      part.node.remove();
      kept.delete(key);
    }
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let part = kept.get(key);
    if (!part) kept.set(key, (part = make(item)));
    if (part.node === at) at = at.nextElementSibling;
    else parent.insertBefore(part.node, at);
    part.show(item);
  }
}

let shop = null;      // /api/v1/shop
let nowUs = 0;        // the daemon's clock as of the last picture

function money(minor) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: shop.currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

function clockTime(us, seconds) {
  const options = { hour: "2-digit", minute: "2-digit", timeZone: shop ? shop.timezone : undefined };
  if (seconds) options.second = "2-digit";
  return new Intl.DateTimeFormat(undefined, options).format(new Date(us / 1000));
}

/** The time, with its day if that is not today. */
function dayTime(us) {
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: shop.timezone });
  const [then, today] = [us, nowUs].map((t) => day.format(new Date(t / 1000)));
  return then === today || !nowUs ? clockTime(us) : `${then}, ${clockTime(us)}`;
}

function lasting(us) {
  const s = Math.max(0, Math.round(us / 1e6));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** "Bay 3" for a bay that is only numbered. */
const bayName = (id) => (/^\d+$/.test(id) ? `Bay ${id}` : id);

const ago = (us) => (nowUs - us < 1.5e6 ? "just now" : `${lasting(nowUs - us)} ago`);

function grams(g) {
  if (Math.abs(g) >= 1000) return `${(g / 1000).toFixed(1)} kg`;
  return `${Math.round(g)} g`;
}

const BRANDS = { visa: "Visa", mastercard: "Mastercard", amex: "Amex", girocard: "girocard" };
const KINDS = { card: "Card", wallet: "Wallet", code: "Code", staff: "Staff", external: "Terminal" };

function payerName(payer) {
  if (!payer) return "No payer yet";
  const name = BRANDS[payer.brand] || payer.brand || KINDS[payer.kind] || payer.kind;
  return payer.last4 ? `${name} ·· ${payer.last4}` : name;
}

// ---- Colours and letters of visits -----------------------------------------------------------------------------------

const COLOURS = ["#7d4fc4", "#c2410c", "#0f766e", "#be185d", "#2563b8", "#8a6d00", "#4d7c0f", "#9d3fa8", "#0e7490", "#b4372f"];
const signs = new Map(); // visit id -> number

/** A visit keeps its letter while it is open; the first guess comes from its id, so that two screens mostly agree. */
function assignSigns(visits) {
  const open = new Set(visits.map((visit) => visit.cart.visit_id));
  for (const id of signs.keys()) if (!open.has(id)) signs.delete(id);
  const taken = new Set(signs.values());
  for (const id of open) {
    if (signs.has(id)) continue;
    const first = parseInt(id.slice(0, 6), 16) % COLOURS.length || 0;
    let sign = first;
    for (let i = 0; taken.has(sign); i += 1) sign = i < COLOURS.length ? (first + i) % COLOURS.length : i;
    signs.set(id, sign);
    taken.add(sign);
  }
}

const colourOf = (id) => COLOURS[signs.get(id) % COLOURS.length];

function letterOf(id) {
  const sign = signs.get(id);
  const letter = String.fromCharCode(65 + (sign % 26));
  return sign < 26 ? letter : letter + Math.floor(sign / 26);
}

// ---- Floor plan ------------------------------------------------------------------------------------------------------

const STRANGER_US = 1.5e6; // a step over the line and the visit that follows from it are a moment apart

const plan = { root: $("plan"), trails: new Map(), strangers: new Map(), at: null, px: 1 };
const wide = matchMedia("(min-width: 981px)");

/** Draws what does not move. Metres become centimetres, y points up; a plan across the screen's grain is turned. */
function drawPlan() {
  const root = plan.root;
  root.replaceChildren();
  const corners = [shop.outline, ...shop.bays.map((bay) => bay.footprint), ...shop.zones.map((zone) => zone.polygon),
    ...shop.gates.map((gate) => [gate.reader])].flat();
  if (!corners.length) corners.push([0, 0], [1, 1]);
  const xs = corners.map((p) => p[0]);
  const ys = corners.map((p) => p[1]);
  const size = [Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)];
  const turned = wide.matches ? size[1] > 1.3 * size[0] : size[0] > 1.3 * size[1];
  plan.at = turned ? ([x, y]) => [y * 100, x * 100] : ([x, y]) => [x * 100, -y * 100];
  const drawn = corners.map(plan.at);
  const left = Math.min(...drawn.map((p) => p[0])) - 25;
  const top = Math.min(...drawn.map((p) => p[1])) - 25;
  const width = Math.max(...drawn.map((p) => p[0])) + 25 - left;
  const height = Math.max(...drawn.map((p) => p[1])) + 25 - top;
  root.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
  plan.box = { left, top, width, height };

  const points = (polygon) => polygon.map((p) => plan.at(p).map((n) => n.toFixed(1)).join(",")).join(" ");
  const box = (polygon) => {
    const all = polygon.map(plan.at);
    return [Math.min, Math.max].map((pick) => [0, 1].map((i) => pick(...all.map((p) => p[i]))));
  };
  const middle = (polygon) => {
    const [[x0, y0], [x1, y1]] = box(polygon);
    return [(x0 + x1) / 2, (y0 + y1) / 2];
  };
  const label = (text, [x, y], className, parent) => {
    svg("text", { x, y, class: className }, parent).textContent = text;
  };
  const straight = (line, className, parent) => {
    const [[x1, y1], [x2, y2]] = [plan.at(line.from), plan.at(line.to)];
    svg("line", { x1, y1, x2, y2, class: className }, parent);
  };

  svg("polygon", { points: points(shop.outline), class: "outline" }, root);
  // A doorway is often both entrance and exit: one area, one name. It stands in the corner farthest from any reader.
  const areas = new Map();
  for (const zone of shop.zones) {
    const at = JSON.stringify(zone.polygon);
    areas.set(at, [...(areas.get(at) || []), zone.kind]);
  }
  const zoneNames = { entry: "entrance", exit: "exit", staff: "staff only" };
  const readers = shop.gates.map((gate) => plan.at(gate.reader));
  const free = (point) => Math.min(Infinity, ...readers.map((reader) => Math.hypot(reader[0] - point[0], reader[1] - point[1])));
  for (const [area, kinds] of areas) {
    const polygon = JSON.parse(area);
    svg("polygon", { points: points(polygon), class: `zone ${kinds[0]}` }, root);
    const [[x0, y0], [x1, y1]] = box(polygon);
    const corners = [["low", x0, y1], ["low end", x1, y1], ["", x0, y0], ["end", x1, y0]];
    const [[at, x, y]] = corners.sort((a, b) => free(b.slice(1)) - free(a.slice(1)));
    const name = svg("text", { class: `zone-name ${at}` }, root);
    const words = kinds.map((kind) => zoneNames[kind] || kind).join(" and ");
    name.textContent = words[0].toUpperCase() + words.slice(1);
    name.style.transform = `translate(${x}px, ${y}px)`;
  }
  const coverage = svg("g", { class: "coverage" }, root);
  plan.cameras = new Map();
  for (const camera of shop.cameras) {
    if (!camera.covers.length) continue;
    plan.cameras.set(camera.id, svg("polygon", { points: points(camera.covers), class: "covers" }, coverage));
  }
  for (const bay of shop.bays) svg("polygon", { points: points(bay.footprint), class: "bay" }, root);
  plan.shelves = new Map();
  plan.shelfLayer = svg("g", {}, root);
  // Low shelves first: the drawing looks from above.
  for (const shelf of [...shop.shelves].sort((a, b) => a.height_m - b.height_m)) {
    const node = svg("polygon", { points: points(shelf.corners), class: "shelf" }, plan.shelfLayer);
    svg("title", {}, node).textContent = `Shelf ${shelf.id}: ${shelf.products.join(", ") || "nothing planned"}`;
    plan.shelves.set(shelf.id, node);
  }
  for (const bay of shop.bays) {
    const inBay = shop.shelves.filter((shelf) => shelf.bay === bay.id).map((shelf) => shelf.corners);
    label(bayName(bay.id), middle([bay.footprint, ...inBay].flat()), "bay-name", root);
  }
  for (const camera of shop.cameras) {
    if (!camera.covers.length) continue;
    const corner = camera.covers.map(plan.at).sort((a, b) => a[0] + a[1] - b[0] - b[1])[0];
    const name = svg("text", { class: "covers-name" }, coverage);
    name.textContent = camera.id;
    name.style.transform = `translate(${corner[0]}px, ${corner[1]}px)`;
  }
  root.append(coverage);
  for (const line of shop.exit_lines) straight(line, "exit-line", root);
  plan.gates = new Map();
  for (const gate of shop.gates) {
    const group = svg("g", { class: "gate" }, root);
    straight(gate.line, "", group);
    const [cx, cy] = plan.at(gate.reader);
    svg("circle", { cx, cy, r: 11 }, group);
    svg("title", {}, group).textContent = `Gate ${gate.id}`;
    plan.gates.set(gate.id, group);
  }
  // A metre to judge by, in the corner.
  const scale = svg("g", { class: "scale" }, root);
  const [sx, sy] = [left + width - 12, top + height - 7];
  svg("line", { x1: sx - 100, y1: sy, x2: sx, y2: sy }, scale);
  label("1 m", [sx - 120, sy], "", scale);

  // Hands below bodies: a hand held close must not hide its body's letter.
  plan.trailLayer = svg("g", {}, root);
  plan.handLayer = svg("g", {}, root);
  plan.bodyLayer = svg("g", {}, root);
  measurePlan();
}

/** Tells the style how large a pixel is, so that letters and bodies stay readable on a phone. */
function measurePlan() {
  const rect = plan.root.getBoundingClientRect();
  if (!plan.box || !rect.width || !rect.height) return;
  plan.px = Math.max(plan.box.width / rect.width, plan.box.height / rect.height);
  plan.root.style.setProperty("--px", plan.px.toFixed(3));
}

function place(node, point) {
  const [x, y] = plan.at(point);
  node.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
}

/** Whether a floor point is within the shop's outline: from there, a line to the right crosses its edge an odd number of times. */
function isInside([x, y]) {
  const edges = shop.outline.map((a, i) => [a, shop.outline[(i + 1) % shop.outline.length]]);
  const crossed = edges.filter(([a, b]) => a[1] > y !== b[1] > y && x < a[0] + ((y - a[1]) / (b[1] - a[1])) * (b[0] - a[0]));
  return crossed.length % 2 === 1;
}

function bodyLook(body) {
  if (body.visit && signs.has(body.visit)) {
    return { kind: "of-visit", sign: letterOf(body.visit), colour: body.staff ? "" : colourOf(body.visit) };
  }
  if (body.staff) return { kind: "staff", sign: "S", colour: "" };
  // Passers-by and people on their way home are nobody's worry; a body inside that gets no visit is.
  return nowUs - plan.strangers.get(body.body) > STRANGER_US
    ? { kind: "nobody", sign: "?", colour: "" } : { kind: "outside", sign: "", colour: "" };
}

/** Notes since when bodies have been inside without a visit. */
function noteStrangers(bodies) {
  const strangers = bodies.filter((body) => !body.visit && !body.staff && isInside(body.floor)).map((body) => body.body);
  plan.strangers = new Map(strangers.map((id) => [id, plan.strangers.get(id) || nowUs]));
}

function drawBodies(bodies) {
  noteStrangers(bodies);
  keep(plan.bodyLayer, bodies, (body) => body.body, () => {
    const node = svg("g", {});
    const disc = svg("circle", {}, node);
    const sign = svg("text", {}, node);
    const title = svg("title", {}, node);
    const show = (body) => {
      const look = bodyLook(body);
      classes(node, `body ${body.staff ? "staff" : look.kind}${body.seen ? "" : " unseen"}`);
      disc.setAttribute("r", (Math.max(20, 11 * plan.px) * (look.kind === "outside" ? 0.6 : 1)).toFixed(1));
      disc.style.fill = look.colour;
      say(sign, look.sign);
      say(title, `Body b${body.body}`);
      place(node, body.floor);
    };
    return { node, show };
  });
  const shoppers = bodies.filter((body) => bodyLook(body).kind !== "outside");
  const hands = shoppers.flatMap((body) => body.hands.map((hand, i) => ({ key: `${body.body}/${i}`, hand, body })));
  keep(plan.handLayer, hands, (hand) => hand.key, () => {
    const node = svg("circle", { class: "hand" });
    const show = ({ hand, body }) => {
      node.setAttribute("r", Math.max(6, 4.2 * plan.px).toFixed(1));
      node.style.fill = bodyLook(body).colour || "var(--staff)";
      place(node, hand);
    };
    return { node, show };
  });
  // Where everybody came from in the last few seconds.
  for (const body of bodies) {
    const trail = plan.trails.get(body.body) || [];
    const last = trail[trail.length - 1];
    if (!last || Math.hypot(last[0] - body.floor[0], last[1] - body.floor[1]) > 0.05) trail.push(body.floor);
    if (trail.length > 24) trail.shift();
    plan.trails.set(body.body, trail);
  }
  const present = new Set(bodies.map((body) => body.body));
  for (const id of plan.trails.keys()) if (!present.has(id)) plan.trails.delete(id);
  keep(plan.trailLayer, shoppers, (body) => body.body, () => {
    const node = svg("polyline", { class: "trail" });
    const show = (body) => {
      node.style.stroke = bodyLook(body).colour || "var(--staff)";
      const trail = plan.trails.get(body.body).map(plan.at);
      node.setAttribute("points", trail.map((p) => `${p[0].toFixed(1)},${p[1].toFixed(1)}`).join(" "));
    };
    return { node, show };
  });
}

function drawDevices(picture) {
  for (const shelf of picture.shelves) {
    const node = plan.shelves.get(shelf.shelf);
    if (!node) continue;
    const look = `shelf${shelf.ringing ? " ringing" : ""}${shelf.fault || !shelf.online ? " fault" : ""}`;
    if (node.getAttribute("class") === look) continue;
    node.setAttribute("class", look);
    // Shelves lie above one another on a plan: the one to look at comes on top.
    if (look !== "shelf") plan.shelfLayer.append(node);
  }
  for (const gate of picture.gates) {
    const node = plan.gates.get(gate.gate);
    if (node) classes(node, gate.open_until_us > nowUs ? "gate open" : "gate");
  }
  for (const camera of picture.cameras) {
    const node = plan.cameras.get(camera.camera);
    if (node) classes(node, camera.alive ? "covers" : "covers dead");
  }
}

const peopleInside = (picture) => picture.bodies.filter((body) => body.seen && isInside(body.floor)).length;

function describePlan(picture) {
  const seen = peopleInside(picture);
  const moving = picture.shelves.filter((shelf) => shelf.ringing).map((shelf) => shelf.shelf);
  const words = seen === 1 ? "1 person" : `${seen} people`;
  const text = `Floor plan: ${words} inside${moving.length ? `, shelf ${moving.join(", ")} moving` : ""}`;
  if (plan.root.getAttribute("aria-label") !== text) plan.root.setAttribute("aria-label", text);
}

// ---- Visits and receipts ---------------------------------------------------------------------------------------------

/** Lines of a cart or a receipt. */
function showLines(list, lines, inDoubt) {
  keep(list, lines, (line) => line.line_id, () => {
    const node = el("li");
    const count = el("span", "count");
    const label = el("span", "label");
    const name = el("span");
    const tag = el("span", "tag");
    label.append(name, tag);
    const sum = el("span");
    node.append(count, label, sum);
    const show = (line) => {
      const doubtful = inDoubt.includes(line.line_id);
      classes(node, `${line.draft ? "draft" : ""}${line.quantity === 0 ? " gone" : ""}${doubtful ? " doubtful" : ""}`.trim());
      say(count, `${line.quantity} ×`);
      say(name, line.name);
      tag.hidden = !line.draft && !doubtful;
      say(tag, line.draft ? "weighing" : line.probability < 0.9 ? `${Math.round(line.probability * 100)} % sure` : "to check");
      say(sum, money(line.total));
    };
    return { node, show };
  });
}

function makeVisit() {
  const node = el("li", "visit");
  const top = el("div", "top");
  const badge = el("span", "badge");
  const middle = el("div");
  const name = el("div", "name");
  const since = el("div", "quiet");
  const total = el("div", "total");
  middle.append(name, since);
  top.append(badge, middle, total);
  const lines = el("ul", "lines");
  const doubts = el("p", "doubts");
  node.append(top, lines, doubts);
  const show = (visit) => {
    const cart = visit.cart;
    badge.style.background = visit.staff ? "" : colourOf(cart.visit_id);
    say(badge, letterOf(cart.visit_id));
    classes(name, !cart.payer && !visit.staff ? "name warn" : "name");
    say(name, visit.staff ? "Staff" : payerName(cart.payer));
    const people = visit.bodies.length > 1 ? ` · ${visit.bodies.length} people` : "";
    const time = lasting(nowUs - visit.entered_us);
    const where = visit.bodies.length ? `inside for ${time}${people}` : "tapped, not inside yet";
    say(since, cart.state === "shopping" ? where : `has left after ${time}${people} · receipt in a moment`);
    say(total, money(cart.total));
    showLines(lines, cart.lines, []);
    lines.hidden = !cart.lines.length;
    doubts.hidden = !visit.doubts.length;
    say(doubts, `${cart.payer ? "You will be asked before this is charged" : "Not seen all the way"}: ${visit.doubts.join("; ")}.`);
  };
  return { node, show };
}

const STATUS = { draft: "draft", being_checked: "to decide", final: "billed", contested: "contested", adjusted: "corrected" };
const CHARGES = {
  queued: "waits to be sent", sent: "sent", captured: "paid", declined: "declined", unknown: "not answered yet",
  written_off: "written off",
};

/** What a manager asks about a visit: taps, goods, doubts and money. The rest of the ledger's facts is housekeeping. */
const STORY = new Set(["decided", "visit_opened", "payer_bound", "claimed", "doubted", "visit_closed", "reviewed", "contested",
  "refund_queued", "refund_answered", "loss", "erased"]);

/** The story of a visit, from its ledger entries. `load` asks again only when `key` has changed. */
function makeStory() {
  const node = el("div", "story");
  const list = el("ol");
  const charges = el("p", "quiet");
  node.append(el("h3", "", "What happened"), list, charges);
  let loaded = null;
  async function load(visitId, key) {
    if (loaded === key) return;
    loaded = key;
    try {
      const answer = await fetch(`/api/v1/visits/${visitId}`);
      if (!answer.ok) throw new Error(answer.status);
      const visit = await answer.json();
      // A gate that opened is told by who came in; one that did not, here.
      const told = visit.evidence.filter(({ fact }) => STORY.has(fact.kind) && !(fact.kind === "decided" && fact.open));
      list.replaceChildren(...told.map((entry) => {
        const item = el("li", entry.fact.kind);
        item.append(el("time", "quiet", clockTime(entry.t_us, true)), el("span", "", entry.what));
        return item;
      }));
      say(charges, visit.charges.map((charge) => `Charge of ${money(charge.total)}: ${CHARGES[charge.state] || charge.state}${charge.reason ? ` (${charge.reason})` : ""}.`
        + (charge.refunded ? ` ${money(charge.refunded)} given back.` : "")).join(" "));
    } catch {
      loaded = null;
      list.replaceChildren(el("li", "quiet", "The ledger could not be asked; open it again in a moment."));
    }
  }
  return { node, load };
}

function makeReceipt() {
  const node = el("li", "receipt");
  const details = el("details");
  const summary = el("summary");
  const no = el("span", "no");
  const time = el("span", "quiet");
  const payer = el("span", "payer");
  const status = el("span", "status");
  const sum = el("span", "sum");
  summary.append(no, time, payer, status, sum);
  const lines = el("ul", "lines");
  const sums = el("li", "sums");
  const sumsText = el("span", "label");
  const sumsTax = el("span");
  sums.append(el("span"), sumsText, sumsTax);
  const foot = el("ul", "lines");
  foot.append(sums);
  const story = makeStory();
  details.append(summary, lines, foot, story.node);
  node.append(details);
  let shown = null;
  const tell = () => {
    if (!details.open) return;
    story.load(shown.visit_id, `${shown.status}/${shown.revision}/${Math.floor(nowUs / 10e6)}`);
  };
  details.addEventListener("toggle", tell);
  const show = (receipt) => {
    shown = receipt;
    tell();
    const nothing = receipt.status === "final" && !receipt.charge_ids.length;
    say(no, `#${receipt.number}`);
    say(time, dayTime(receipt.left_us));
    say(payer, receipt.payer ? payerName(receipt.payer) : "No payer");
    classes(status, `status ${nothing ? "" : receipt.status}`);
    say(status, nothing ? "not billed" : STATUS[receipt.status] || receipt.status);
    say(sum, money(receipt.total));
    showLines(lines, receipt.lines, receipt.status === "being_checked" ? receipt.in_doubt : []);
    foot.hidden = !receipt.lines.length;
    say(sumsText, shop.tax_included ? "of which tax" : "tax");
    say(sumsTax, money(receipt.tax_total));
  };
  return { node, show };
}

// ---- Rows: gates, cameras, payments, shelves -------------------------------------------------------------------------

const REASONS = {
  ok: "let in", declined: "payment declined", expired: "tap too old", already_used: "code already used",
  unknown_code: "code not known", shop_closed: "shop closed", offline_limit: "payment service away, limit reached",
  malformed: "unreadable tap", restricted: "not allowed here",
};

/** Rows of {key, dot, name, value, tone, long}. */
function showRows(list, rows) {
  keep(list, rows, (row) => row.key, () => {
    const node = el("li");
    const dot = el("span");
    const name = el("span");
    const value = el("span");
    node.append(dot, name, value);
    const show = (row) => {
      classes(dot, `dot ${row.dot || ""}`.trim());
      say(name, row.name);
      classes(value, `value${row.tone ? ` ${row.tone}-text` : ""}${row.long ? " long" : ""}`);
      say(value, row.value);
    };
    return { node, show };
  });
}

function showGates(gates) {
  showRows($("gates"), gates.map((gate) => {
    const open = gate.open_until_us > nowUs;
    const last = gate.last ? `${REASONS[gate.last[1]] || gate.last[1]}, ${ago(gate.last[0])}` : "no tap yet";
    const shut = gate.last && gate.last[1] !== "ok" && nowUs - gate.last[0] < 60e6;
    return { key: gate.gate, dot: open ? "good" : shut ? "warn" : "", name: gate.gate, value: open ? "open" : last, tone: open ? "good" : "" };
  }));
}

function showCameras(cameras) {
  const alive = cameras.filter((camera) => camera.alive).length;
  say($("cameras-sum"), cameras.length ? `${alive} of ${cameras.length} alive` : "none");
  showRows($("cameras"), cameras.map((camera) => {
    const seen = camera.last_seen_us ? `last picture ${ago(camera.last_seen_us)}` : "no picture yet";
    return { key: camera.camera, dot: camera.alive ? "good" : "bad", name: camera.camera, value: camera.alive ? "alive" : seen, tone: camera.alive ? "" : "bad" };
  }));
}

function showSync(sync, picture) {
  const upstream = sync.reachable === null ? ["", "not tried yet", ""] : sync.reachable ? ["good", "reachable", ""] : ["bad", "does not answer", "bad"];
  const waits = sync.queue_rows === 0 ? "nothing" : String(sync.queue_rows);
  const rows = [
    { key: "upstream", dot: upstream[0], name: "Payment service", value: upstream[1], tone: upstream[2] },
    { key: "rows", dot: sync.queue_rows && sync.reachable === false ? "warn" : "good", name: "Waiting to be sent", value: waits },
  ];
  if (sync.queue_oldest_us) rows.push({ key: "oldest", name: "Oldest waiting", value: lasting(nowUs - sync.queue_oldest_us) });
  rows.push({ key: "ledger", dot: "good", name: "Ledger", value: `${picture.durable_seq.toLocaleString()} entries on disk` });
  if (sync.last_error) rows.push({ key: "error", name: "", value: `Last error: ${sync.last_error}`, long: true });
  showRows($("sync"), rows);
}

function makeShelf() {
  const node = el("li");
  const dot = el("span");
  const name = el("span", "name");
  const level = el("span", "level");
  const note = el("span", "note");
  node.append(dot, name, level, note);
  const show = (shelf) => {
    const broken = shelf.fault || (shelf.online ? "" : "Does not report.");
    classes(node, `shelf-tile${broken ? " fault" : shelf.ringing ? " ringing" : ""}`);
    classes(dot, `dot ${broken ? "bad" : shelf.ringing ? "warn" : "good"}`);
    say(name, shelf.shelf);
    say(level, shelf.level_g === null ? "–" : grams(shelf.level_g));
    const step = shelf.last_step;
    const moved = step ? `${step[1] < 0 ? "−" : "+"}${grams(Math.abs(step[1]))}, ${ago(step[0])}` : "calm";
    say(note, broken || (shelf.ringing ? "moving" : moved));
  };
  return { node, show };
}

function showShelves(shelves) {
  const online = shelves.filter((shelf) => shelf.online && !shelf.fault).length;
  say($("shelves-sum"), `${online} of ${shelves.length} well`);
  const bayOf = new Map(shop.shelves.map((shelf) => [shelf.id, shelf.bay]));
  const bays = new Map();
  for (const shelf of shelves) {
    const bay = bayOf.get(shelf.shelf) || "";
    if (!bays.has(bay)) bays.set(bay, []);
    bays.get(bay).push(shelf);
  }
  keep($("shelves"), [...bays], ([bay]) => bay, ([bay]) => {
    const node = el("div", "bay-row");
    const list = el("ul");
    node.append(el("h3", "", bayName(bay)), list);
    return { node, show: ([, inBay]) => keep(list, inBay, (shelf) => shelf.shelf, makeShelf) };
  });
}

// ---- The whole picture -----------------------------------------------------------------------------------------------

const STATES = { up: "Open, all is well", degraded: "Open, something is broken", closed: "Closed to new visits" };
const SINCE = { up: "all well for", degraded: "something broken for", closed: "closed for" };
const RECEIPTS_FIRST = 8;

function showHealth(health) {
  const pill = $("state");
  pill.dataset.state = health.state;
  say(pill, STATES[health.state] || health.state);
  const why = $("why");
  why.hidden = !health.reasons.length;
  why.classList.toggle("bad", health.state === "closed");
  // By place, not by words: a sentence that counts seconds keeps its node.
  keep(why.firstElementChild, health.reasons.map((reason, at) => ({ reason, at })), ({ at }) => at, () => {
    const node = el("li");
    return { node, show: ({ reason }) => say(node, reason) };
  });
  const waiting = shop && decide.waiting ? `(${decide.waiting}) ` : "";
  document.title = `${waiting}${shop ? shop.name : "Carryout"} · ${health.state}`;
}

function warnTile(id, on) {
  $(id).classList.toggle("warn", on);
}

let newest = null; // the last picture, to draw again when the plan is turned

function show(live) {
  newest = live;
  const picture = live.snapshot;
  nowUs = live.now_us;
  showHealth(live.health);
  say($("clock"), `${clockTime(nowUs, true)} · ${SINCE[live.health.state]} ${lasting(nowUs - live.health.since_us)}`);
  say($("n-people"), peopleInside(picture));
  say($("n-visits"), picture.visits.length);
  say($("n-carts"), money(picture.visits.reduce((sum, visit) => sum + visit.cart.total, 0)));
  noticeReviews(picture.receipts);
  say($("n-queue"), live.sync.queue_rows);
  warnTile("tile-queue", live.sync.queue_rows > 0 && live.sync.reachable === false);

  assignSigns(picture.visits);
  drawBodies(picture.bodies);
  drawDevices(picture);
  describePlan(picture);
  keep($("visits"), picture.visits, (visit) => visit.cart.visit_id, makeVisit);
  $("no-visits").hidden = picture.visits.length > 0;
  const few = picture.receipts.length > RECEIPTS_FIRST + 1 && !$("all-receipts").pressed;
  const listed = few ? picture.receipts.slice(0, RECEIPTS_FIRST) : picture.receipts;
  keep($("receipts"), listed, (receipt) => receipt.receipt_id, makeReceipt);
  $("all-receipts").hidden = !few;
  say($("all-receipts"), `Show all ${picture.receipts.length}`);
  $("no-receipts").hidden = picture.receipts.length > 0;
  showGates(picture.gates);
  showCameras(picture.cameras);
  showSync(live.sync, picture);
  showShelves(picture.shelves);
  if (document.body.dataset.live !== "yes") {
    document.body.dataset.live = "yes";
    requestAnimationFrame(() => performance.mark("first-view"));
  }
}

// ---- Connection ------------------------------------------------------------------------------------------------------

const RETRY_MS = 2000;
const SILENT_MS = 4000; // the daemon sends at least one picture a second

let stream = null;
let heardAt = 0;
let lostSince = null;

function found() {
  lostSince = null;
  $("lost").hidden = true;
  document.body.classList.remove("is-lost");
}

function lost() {
  if (lostSince === null) lostSince = Date.now();
  const old = newest ? " What you see below is from then." : "";
  say($("lost"), `No connection to the daemon since ${clockTime(lostSince * 1000, true)}.${old} It is tried again every few seconds.`);
  $("lost").hidden = false;
  document.body.classList.add("is-lost");
  document.title = "Carryout · no connection";
  const pill = $("state");
  pill.dataset.state = "lost";
  say(pill, "No connection");
}

function watch() {
  if (stream) stream.close();
  heardAt = Date.now();
  const mine = (stream = new EventSource("/api/v1/stream"));
  mine.addEventListener("live", (event) => {
    heardAt = Date.now();
    found();
    show(JSON.parse(event.data));
  });
  mine.onerror = () => {
    if (mine !== stream) return;
    lost();
    // A refused stream is not tried again by the browser; ask what is the matter.
    if (mine.readyState === EventSource.CLOSED) again();
  };
}

function again() {
  if (stream) stream.close();
  stream = null;
  setTimeout(enter, RETRY_MS);
}

setInterval(() => {
  if (stream && Date.now() - heardAt > SILENT_MS) {
    lost();
    again();
  }
}, 1000);

/** With a session: the shop and the stream. Without: health and the form. */
async function enter() {
  let answer;
  try {
    answer = await fetch("/api/v1/shop");
  } catch {
    lost();
    setTimeout(enter, RETRY_MS);
    return;
  }
  if (answer.status === 401) {
    askForToken();
    return;
  }
  if (!answer.ok) {
    lost();
    setTimeout(enter, RETRY_MS);
    return;
  }
  shop = await answer.json();
  say($("shop-name"), shop.name);
  $("log-in").hidden = true;
  $("inside").hidden = false;
  $("log-out").hidden = false;
  drawPlan();
  watch();
}

let asking = null;

function askForToken() {
  shop = null;
  newest = null;
  forgetReviews();
  document.body.dataset.live = "no";
  $("inside").hidden = true;
  $("log-out").hidden = true;
  $("log-in").hidden = false;
  say($("clock"), "Status of the shop");
  if (asking === null) asking = setInterval(onlyHealth, 5000);
  onlyHealth();
}

async function onlyHealth() {
  try {
    const answer = await fetch("/api/v1/health");
    showHealth(await answer.json());
    found();
  } catch {
    lost();
  }
}

async function logIn(token) {
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (!answer.ok) {
    say($("log-in-error"), answer.status === 401 ? "That is not the daemon's token." : "The daemon did not take it; try again.");
    return false;
  }
  say($("log-in-error"), "");
  $("token").value = "";
  clearInterval(asking);
  asking = null;
  return true;
}

$("log-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    if (await logIn($("token").value)) await enter();
  } catch {
    lost();
  }
});

$("log-out").addEventListener("click", async () => {
  if (stream) stream.close();
  stream = null;
  try {
    await fetch("/api/v1/session", { method: "DELETE" });
  } finally {
    await enter();
  }
});

$("all-receipts").addEventListener("click", () => {
  $("all-receipts").pressed = true;
  if (newest) show(newest);
});

$("coverage").addEventListener("change", (event) => {
  plan.root.classList.toggle("with-coverage", event.target.checked);
});
wide.addEventListener("change", () => {
  if (!shop) return;
  drawPlan();
  if (newest) show(newest);
});
new ResizeObserver(measurePlan).observe(plan.root);

/** The address the daemon prints holds the token behind `#`, where no log sees it; it does not stay there. */
async function start() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname);
    try {
      await logIn(given);
    } catch {
      lost();
    }
  }
  await enter();
}

start();
