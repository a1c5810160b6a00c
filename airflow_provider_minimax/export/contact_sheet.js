"use strict";
// A row: [address of the file or null, prompt, status, model, time in ms or null, width by height, id, ratio as text,
// further facts].
const { kind, rows, total, notes = [], credits, empty } = JSON.parse(document.getElementById("data").textContent);
const [FILE, PROMPT, STATUS, MODEL, TIME, RATIO, ID, SHAPE, FACTS] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const isTime = (row) => typeof row[TIME] === "number" && Number.isFinite(new Date(row[TIME]).getTime());
const years = new Set(rows.filter(isTime).map((row) => new Date(row[TIME]).getFullYear()));
const brief = years.size > 1 ? day : new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const isoDay = new Intl.DateTimeFormat("sv-SE");
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const BATCH = 240;
const count = (amount, name) => `${number.format(amount)} ${name}${amount === 1 ? "" : "s"}`;

// Prompts are other people's words: they become text and nothing else.
function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function hole(row, why) {
  const [box, badge] = [make("span", "hole"), make("span", "badge")];
  badge.dataset.status = row[STATUS];
  badge.append(make("i", "dot"), why);
  box.append(badge);
  return box;
}

// The name of a file tells what it is; that of a video at the service, its id.
const isFilm = (row) => /\.(mp4|mov|3gp)$/.test(row[FILE] || "") || /-video:/.test(row[ID] || "");

// Why a file is not seen: not each browser knows these formats.
function unseen(row) {
  if (isFilm(row)) return "cannot be played";
  return /\.(heic|avif)$/.test(row[FILE]) ? "no preview" : "file is missing";
}

// A browser plays only so many films at a time: those far from the window release their file.
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) target.src = target.dataset.src;
    else if (target.src) {
      target.removeAttribute("src");
      target.load();
    }
  }
}, { rootMargin: "50%" });

// On a card the first frame is the poster; in the dialog the film plays.
function film(row, isPoster) {
  const video = make("video");
  video.playsInline = true;
  video.ariaLabel = row[PROMPT] || "(no prompt)";
  video.addEventListener("error", () => video.replaceWith(hole(row, unseen(row))), { once: true });
  if (isPoster) {
    video.preload = "metadata";
    video.muted = true;
    // Without a time, some browsers paint nothing until it plays.
    video.dataset.src = `${row[FILE]}#t=0.001`;
    near.observe(video);
  } else {
    video.controls = video.autoplay = video.loop = true;
    video.src = row[FILE];
  }
  return video;
}

function picture(row, isLazy) {
  const isMissing = row[STATUS] === "completed";
  if (!row[FILE]) return hole(row, isMissing ? (row[FACTS] ? "no preview" : "not downloaded") : row[STATUS]);
  if (isFilm(row)) return film(row, isLazy);
  const image = make("img");
  if (isLazy) image.loading = "lazy";
  image.decoding = "async";
  // On a card, the prompt stands below.
  image.alt = isLazy ? "" : row[PROMPT] || "(no prompt)";
  image.addEventListener("error", () => image.replaceWith(hole(row, unseen(row))), { once: true });
  image.src = row[FILE];
  return image;
}

function card(row, place) {
  const element = make("button", "card");
  element.type = "button";
  element.dataset.place = place;
  element.dataset.status = row[STATUS];
  // Where there is nothing to see, a small frame will do.
  element.style.setProperty("--r", row[FILE] ? row[RATIO] : Math.min(row[RATIO], 0.8));
  const frame = make("span", isFilm(row) ? "pic film" : "pic");
  frame.append(picture(row, true));
  const text = make("span", "text", row[PROMPT] || "(no prompt)");
  text.dir = "auto";
  const meta = make("span", "meta");
  const dot = make("i", "dot");
  // A colour says nothing to those who cannot see it.
  dot.role = "img";
  dot.ariaLabel = row[STATUS];
  meta.append(dot, make("span", "", row[MODEL]));
  meta.title = row[STATUS];
  if (isTime(row)) {
    const time = make("time", "", brief.format(row[TIME]));
    time.append(make("span", "hour", `, ${hour.format(row[TIME])}`));
    meta.append(time);
    meta.title += `, ${moment.format(row[TIME])}`;
  } else {
    meta.append(make("span", "", "no date"));
  }
  element.append(frame, text, meta);
  return element;
}

// What is shown: places of rows, of which the first `drawn` have a card.
let shown = [];
let drawn = 0;
let status = null;

function draw() {
  // Rows of their own: to lay them out, those before need not be touched.
  const batch = make("div", "rows");
  for (const last = Math.min(drawn + BATCH, shown.length); drawn < last; drawn++) batch.append(card(rows[shown[drawn]], drawn));
  $("grid").append(batch);
  // Watched anew, it tells at once whether it is still near; by itself it would tell only when that changes.
  end.unobserve($("more"));
  if (drawn < shown.length) end.observe($("more"));
}

const end = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) draw();
}, { rootMargin: "150%" });

function searchable(row) {
  const dates = isTime(row) ? [isoDay.format(row[TIME]), moment.format(row[TIME])] : [];
  const facts = Object.values(row[FACTS] || {});
  return [row[PROMPT], row[MODEL], row[ID], row[SHAPE], ...dates, ...facts].join("\n").toLowerCase();
}
let haystack = null;

function choose() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) haystack ??= rows.map(searchable);
  shown = [];
  const counts = new Map();
  rows.forEach((row, place) => {
    if (!words.every((word) => haystack[place].includes(word))) return;
    counts.set(row[STATUS], (counts.get(row[STATUS]) || 0) + 1);
    if (status === null || row[STATUS] === status) shown.push(place);
  });
  for (const chip of $("chips").children) {
    const own = chip.dataset.status;
    chip.setAttribute("aria-pressed", String((own ?? null) === status));
    const count = own === undefined ? [...counts.values()].reduce((sum, one) => sum + one, 0) : counts.get(own) || 0;
    chip.lastChild.textContent = number.format(count);
  }
  const all = shown.length === rows.length;
  $("sum").textContent = all ? `${count(rows.length, kind)}${span()}${credits ? `, ${count(credits, "credit")}` : ""}` : `${number.format(shown.length)} of ${count(rows.length, kind)}`;
  $("none").hidden = shown.length > 0;
  $("grid").replaceChildren();
  drawn = 0;
  draw();
}

function span() {
  let [first, last] = [Infinity, -Infinity];
  for (const row of rows) if (isTime(row)) [first, last] = [Math.min(first, row[TIME]), Math.max(last, row[TIME])];
  if (first > last) return "";
  const [from, to] = [day.format(first), day.format(last)];
  return from === to ? `, ${from}` : `, ${from} – ${to}`;
}

function chips() {
  const names = [...new Set(rows.map((row) => row[STATUS]))].sort((a, b) => (b === "completed") - (a === "completed") || a.localeCompare(b));
  for (const name of [undefined, ...names]) {
    const chip = make("button");
    chip.type = "button";
    if (name === undefined) chip.append("All ");
    else {
      chip.dataset.status = name;
      chip.append(make("i", "dot"), name);
    }
    chip.append(make("b"));
    chip.addEventListener("click", () => {
      status = name === undefined || status === name ? null : name;
      scrollTo(0, 0);
      choose();
    });
    $("chips").append(chip);
  }
}

// One at a time.
let at = 0;

function open(place) {
  at = place;
  const row = rows[shown[at]];
  $("stage").replaceChildren(picture(row, false));
  $("prompt").textContent = row[PROMPT] || "(no prompt)";
  $("prompt").scrollTop = 0;
  const facts = [["Status", row[STATUS]], ["Model", row[MODEL]], ["Ratio", row[SHAPE]], ["Created", isTime(row) ? moment.format(row[TIME]) : "no date"], ["Id", row[ID]], ...Object.entries(row[FACTS] || {})];
  $("facts").replaceChildren();
  for (const [name, value] of facts) {
    if (!value) continue;
    const said = make("dd");
    if (name === "Status") {
      said.dataset.status = value;
      said.append(make("i", "dot"));
    }
    said.append(value);
    $("facts").append(make("dt", "", name), said);
  }
  $("open").hidden = !row[FILE];
  if (row[FILE]) $("open").href = row[FILE];
  $("copy").textContent = "Copy prompt";
  $("place").textContent = `${number.format(at + 1)} of ${number.format(shown.length)}`;
  $("prev").disabled = at === 0;
  $("next").disabled = at === shown.length - 1;
  if (!$("view").open) $("view").showModal();
  if (row[ID]) history.replaceState(null, "", `#${encodeURI(row[ID])}`);
}

function show(place) {
  if (place < 0 || place >= shown.length) return;
  while (drawn <= place) draw();
  open(place);
}

// `#<id>` opens one picture.
function openNamed() {
  let place = -1;
  try {
    const id = decodeURIComponent(location.hash.slice(1));
    place = id ? rows.findIndex((row) => row[ID] === id) : -1;
  } catch {
    // No text that was encoded.
  }
  if (place < 0) return;
  if (!shown.includes(place)) {
    status = null;
    $("find").value = "";
    choose();
  }
  show(shown.indexOf(place));
}

$("grid").addEventListener("click", (event) => {
  const chosen = event.target.closest(".card");
  if (chosen) open(Number(chosen.dataset.place));
});
$("view").addEventListener("close", () => {
  // A film would play on.
  $("stage").replaceChildren();
  history.replaceState(null, "", location.pathname + location.search);
  const chosen = $("grid").querySelector(`[data-place="${at}"]`);
  if (chosen) {
    chosen.scrollIntoView({ block: "nearest" });
    chosen.focus({ preventScroll: true });
  }
});
$("prev").addEventListener("click", () => show(at - 1));
$("next").addEventListener("click", () => show(at + 1));
$("close").addEventListener("click", () => $("view").close());
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(rows[shown[at]][PROMPT]);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("prompt"));
    $("copy").textContent = "Selected";
  }
});
addEventListener("keydown", (event) => {
  // In a film with the focus, these keys move within it.
  const walks = $("view").open && event.target.tagName !== "VIDEO";
  if (walks && event.key === "ArrowLeft") show(at - 1);
  else if (walks && event.key === "ArrowRight") show(at + 1);
  else if (event.key === "/" && !$("view").open && document.activeElement !== $("find")) {
    event.preventDefault();
    $("find").focus();
  }
});
let waiting = 0;
$("find").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(choose, 120);
});

if (total > rows.length) notes.push(`These are the newest ${number.format(rows.length)} of ${number.format(total)} ${kind}s.`);
$("note").hidden = notes.length === 0;
$("note").textContent = notes.join("\n");
if (empty) {
  $("none").textContent = empty;
  for (const part of document.querySelectorAll(".find, .chips, .sum")) part.hidden = true;
}
// Within Airflow: its theme, its ground and its font, and no new window, which its frame forbids.
if (parent !== window) {
  $("open").removeAttribute("target");
  try {
    const [root, page] = [document.documentElement, parent.document.documentElement];
    const ground = (element) => {
      const colour = parent.getComputedStyle(element).backgroundColor;
      return /, 0\)$/.test(colour) && element !== page ? ground(element.parentElement) : colour;
    };
    const follow = () => {
      root.style.colorScheme = ["dark", "light"].find((name) => page.classList.contains(name)) ?? "";
      root.style.setProperty("--ground", ground(frameElement));
    };
    root.classList.add("framed");
    document.body.style.fontFamily = parent.getComputedStyle(frameElement).fontFamily;
    new MutationObserver(follow).observe(page, { attributeFilter: ["class"] });
    follow();
  } catch {
    // Of another origin.
  }
}
chips();
choose();
openNamed();
addEventListener("hashchange", openNamed);
