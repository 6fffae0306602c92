// Receipts that wait for staff: why, what was taken, what happened, and the two buttons that decide.
//
// noticeReviews (every picture) -> GET /api/v1/reviews when something changed -> a card each -> POST /api/v1/reviews/{id}.
// Nothing is charged before somebody presses; the floor does what was decided, this page only asks it to.
"use strict";

const REVIEWS_FIRST = 10;         // cards at once, oldest first; the others wait their turn
const REVIEWS_EVERY_MS = 30_000;  // also without news: older receipts can be contested, and others decide too
const REVIEWS_AGAIN_MS = 1_000;   // a picture can be ahead of the ledger by a moment
const DECIDED_STAYS_MS = 6_000;   // long enough to read what came of it
const SHIELD_MS = 700;            // after cards have moved up: a second click must not decide the next one
const QUANTITY_MOST = 999;        // as the API takes it

const decide = { list: [], waiting: 0, sign: null, askedAt: -Infinity, asking: false, shield: 0 };

const cardOf = (review) => `${review.receipt_id}/${review.revision}/${review.status}`;

const isWaiting = (receipt) => receipt.status === "being_checked" || receipt.status === "contested";

/** Asks for the list when a picture shows something else than last time, and now and then without. */
function noticeReviews(receipts) {
  const sign = receipts.filter(isWaiting).map((r) => `${r.receipt_id}/${r.revision}/${r.status}/${r.total}`).join();
  const since = performance.now() - decide.askedAt;
  if ((sign !== decide.sign && since > REVIEWS_AGAIN_MS) || since > REVIEWS_EVERY_MS) askReviews(sign, receipts);
  showReviews();
}

async function askReviews(sign, receipts) {
  if (decide.asking) return;
  decide.asking = true;
  decide.askedAt = performance.now();
  try {
    const answer = await fetch("/api/v1/reviews");
    if (!answer.ok) return;
    const { reviews } = await answer.json();
    const known = new Set(reviews.map((review) => review.receipt_id));
    const decided = new Set(decide.list.filter((review) => review.decidedAt).map((review) => review.receipt_id));
    // The picture may show a receipt that is not on disk yet: then ask again.
    const whole = receipts.filter(isWaiting).every((r) => known.has(r.receipt_id) || decided.has(r.receipt_id));
    decide.sign = whole ? sign : null;
    const stay = decide.list.filter((review) => review.decidedAt);
    // A card on the page belongs to the review it was made of: that one stays.
    const shown = new Map(decide.list.map((review) => [cardOf(review), review]));
    const wait = reviews.filter((review) => !decided.has(review.receipt_id));
    decide.list = [...stay, ...wait.map((review) => shown.get(cardOf(review)) || review)].sort((a, b) => a.left_us - b.left_us || a.number - b.number);
    if (shop) showReviews();
  } catch {
    // No connection: the stream says so.
  } finally {
    decide.asking = false;
  }
}

function forgetReviews() {
  Object.assign(decide, { list: [], waiting: 0, sign: null, askedAt: -Infinity });
}

/** Keeps pointers off the cards for a moment. */
function shield() {
  const list = $("review-list");
  list.classList.add("moved");
  clearTimeout(decide.shield);
  decide.shield = setTimeout(() => list.classList.remove("moved"), SHIELD_MS);
}

function showReviews() {
  const now = performance.now();
  const before = decide.list.length;
  decide.list = decide.list.filter((review) => !review.decidedAt || now - review.decidedAt < DECIDED_STAYS_MS);
  if (decide.list.length !== before) shield();
  decide.waiting = decide.list.filter((review) => !review.decidedAt).length;
  say($("n-review"), decide.waiting);
  warnTile("tile-review", decide.waiting > 0);
  $("reviews").hidden = !decide.list.length;
  if (!decide.list.length && !$("review-list").kept) return;
  say($("reviews-sum"), decide.waiting ? "nothing here is charged or given back before you decide" : "");
  const cards = decide.list.slice(0, REVIEWS_FIRST);
  keep($("review-list"), cards, cardOf, makeReview);
  const more = decide.list.length - cards.length;
  $("reviews-more").hidden = more === 0;
  say($("reviews-more"), `${more} more after these.`);
}

/** What can be counted on a review's card: goods of the receipt, and goods that the customer misses on it. */
function countable(review) {
  const claimed = new Map(review.claims.map((claim) => [claim.product, claim]));
  const goods = review.lines.filter((line) => line.quantity > 0 && line.total >= 0).map((line) => ({
    key: { line_id: line.line_id },
    name: line.name,
    charged: line.quantity,
    unit: line.total / line.quantity,
    says: claimed.get(line.product)?.claimed,
    tag: review.restricted.includes(line.line_id) ? "restricted"
      : review.in_doubt.includes(line.line_id) ? `${Math.round(line.probability * 100)} % sure` : "",
  }));
  const missed = review.claims.filter((claim) => claim.charged === 0).map((claim) => ({
    key: { product: claim.product }, name: claim.name, charged: 0, unit: claim.unit_total, says: claim.claimed, tag: "",
  }));
  return [...goods, ...missed];
}

/** One line with its stepper: fewer, a number to type, more. */
function makeStepper(line, changed) {
  const node = el("li", "step");
  const group = el("span", "stepper");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", `Units of ${line.name}`);
  const fewer = el("button", "plain", "−");
  const more = el("button", "plain", "+");
  const field = el("input");
  Object.assign(field, { type: "number", min: 0, max: QUANTITY_MOST, step: 1, value: line.charged, inputMode: "numeric" });
  field.setAttribute("aria-label", `Units of ${line.name}`);
  for (const [button, words] of [[fewer, "One less"], [more, "One more"]]) {
    button.type = "button";
    button.setAttribute("aria-label", `${words} of ${line.name}`);
  }
  group.append(fewer, field, more);
  const label = el("span", "label");
  label.append(el("span", "", line.name));
  if (line.tag) label.append(el("span", "tag", line.tag));
  if (line.says !== undefined) label.append(el("span", "tag", `customer says ${line.says}`));
  const sum = el("span");
  node.append(group, label, sum);
  const part = { node, line, quantity: line.charged };
  const set = (quantity) => {
    part.quantity = Math.min(QUANTITY_MOST, Math.max(0, Math.round(quantity) || 0));
    field.value = part.quantity;
    fewer.disabled = part.quantity === 0;
    node.classList.toggle("gone", part.quantity === 0);
    say(sum, money(Math.round(line.unit * part.quantity)));
    changed();
  };
  fewer.addEventListener("click", () => set(part.quantity - 1));
  more.addEventListener("click", () => set(part.quantity + 1));
  field.addEventListener("change", () => set(Number(field.value)));
  part.set = set;
  return part;
}

function makeReview(review) {
  const contested = review.status === "contested";
  const node = el("li", "review");
  const top = el("div", "top");
  const who = el("span", "who");
  who.append(el("strong", "", `#${review.number}`), el("span", "", review.payer ? payerName(review.payer) : "No payer"),
    el("span", "quiet", `left ${dayTime(review.left_us)}`));
  const status = el("span", `status ${review.status}`, STATUS[review.status]);
  top.append(who, status);
  const why = el("ul", "why");
  why.append(...review.why.map((reason) => el("li", "", reason)));

  const bill = el("div", "bill");
  const list = el("ul", "steps");
  const sums = el("p", "sums");
  const sumText = el("span");
  const sum = el("strong");
  sums.append(sumText, sum);
  const buttons = el("p", "buttons");
  const yes = el("button", "", contested ? "Correct to this" : "Charge this");
  const none = el("button", "plain", contested ? "Give everything back" : "Charge nothing");
  yes.type = none.type = "button";
  buttons.append(yes, none);
  const result = el("p", "result");
  result.setAttribute("role", "status");
  result.tabIndex = -1;
  bill.append(list, sums, buttons, result);

  const story = makeStory();
  const both = el("div", "both");
  both.append(bill, story.node);
  node.append(top, why, both);
  story.load(review.visit_id, review.receipt_id);

  // What staff gave back before stays on the receipt and cannot be counted.
  const settled = review.lines.filter((line) => line.total < 0);
  const back = settled.reduce((total, line) => total + line.total, 0);
  let lines = [];
  const total = () => Math.max(0, lines.reduce((sum, part) => sum + Math.round(part.line.unit * part.quantity), back));
  const recount = () => {
    const now = total();
    say(sum, money(now));
    yes.disabled = !contested && now <= 0;
    const change = now - review.total;
    say(sumText, !contested ? "To charge" : change < 0 ? `${money(-change)} go back, leaving`
      : change > 0 ? `${money(change)} more are charged, making` : "Nothing changes");
  };
  lines = countable(review).map((line) => makeStepper(line, recount));
  list.append(...lines.map((part) => part.node), ...settled.map((line) => {
    const item = el("li", "step quiet");
    item.append(el("span"), el("span", "label", `Given back: ${line.name}`), el("span", "", money(line.total)));
    return item;
  }));
  for (const part of lines) part.set(part.quantity);
  if (review.perhaps.length) {
    // The goods of a shelf that changed unseen: whoever was there may have them.
    const pick = el("select");
    pick.setAttribute("aria-label", "Add something from the shelf in doubt");
    pick.append(el("option", "", "Add …"), ...review.perhaps.map((good) => el("option", "", `${good.name}, ${money(good.unit_total)}`)));
    const row = el("li", "step");
    row.append(pick);
    list.append(row);
    pick.addEventListener("change", () => {
      const at = pick.selectedIndex;
      const [good] = review.perhaps.splice(at - 1, 1);
      pick.remove(at);
      pick.selectedIndex = 0;
      row.hidden = !review.perhaps.length;
      const line = { key: { product: good.product }, name: good.name, charged: 0, unit: good.unit_total, tag: "added" };
      const part = makeStepper(line, recount);
      lines.push(part);
      list.insertBefore(part.node, row);
      part.set(1);
      part.node.querySelector("input").focus();
    });
  }
  recount();

  const finish = (words) => {
    review.decidedAt = performance.now();
    node.classList.add("decided");
    status.hidden = why.hidden = both.hidden = true;
    shield();
    node.append(result);
    say(result, words);
    result.focus({ preventScroll: true });
    showReviews();
  };
  const send = async (nothing) => {
    const controls = node.querySelectorAll("button, input, select");
    for (const control of controls) control.disabled = true;
    const again = (words) => {
      for (const control of controls) control.disabled = false;
      for (const part of lines) part.set(part.quantity);
      say(result, words);
    };
    const wishes = lines.map((part) => ({ ...part.line.key, quantity: nothing ? 0 : part.quantity }));
    let answer;
    try {
      answer = await fetch(`/api/v1/reviews/${review.receipt_id}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ revision: review.revision, lines: wishes }),
      });
    } catch {
      return again("The daemon did not answer. Look whether this was decided before you try again.");
    }
    if (answer.status === 401) return askForToken();
    if (answer.status === 409) {
      decide.sign = null;
      return finish("This receipt has changed or was decided elsewhere; what still waits is shown anew.");
    }
    if (answer.status === 202) return finish("Taken. It is being written to disk.");
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) return again(body.detail || `The daemon refused (${answer.status}).`);
    const change = body.total - review.total;
    const charged = body.total > 0 ? `Decided: ${money(body.total)} is charged.` : "Decided: nothing is charged.";
    const corrected = change < 0 ? `Decided: ${money(-change)} go back to the customer.`
      : change > 0 ? `Decided: ${money(change)} more are charged.` : "Decided: the receipt stays as it is.";
    finish(contested ? corrected : charged);
  };
  yes.addEventListener("click", () => send(false));
  none.addEventListener("click", () => send(true));
  return { node, show() {} };
}
