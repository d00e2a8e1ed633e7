"use strict";

/* Sorting, filtering, and the drawer. All text comes from the page or its data block, and goes in as
   textContent; without this script the page is readable as it is. */

const FIRST = 25;          // rows that the table of neurons begins with
const STEP = 100;          // rows that are added at a time
const SHOWN_WORDS = 5;     // in the table
const SVG = "http://www.w3.org/2000/svg";
const FULL = 3;            // standard deviations in full colour
const LEVELS = 6;          // of colour

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content.map(asNode));
  return element;
}

/* what append takes: elements as they are, all else as text */
function asNode(part) {
  return part instanceof Node ? part : document.createTextNode(String(part));
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const label = text => make("bdi", "", text);
const count = number => number.toLocaleString("en");
const minus = text => text.replace("-", "−");
const signed = (value, digits) => (value > 0 ? "+" : "") + minus(value.toFixed(digits));
const readable = value => {
  const size = Math.abs(value);
  if (size === Infinity) return "∞";
  if (value && (size < .001 || size >= 1e6)) return minus(value.toExponential(2));
  return minus(value.toLocaleString("en", digits(size < 10 ? 3 : 1)));
};
const digits = number => ({ minimumFractionDigits: number, maximumFractionDigits: number });
const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

/* Buttons in the headers of a table: each click turns the order round. */
function sortable(table, sort) {
  for (const header of table.tHead.querySelectorAll("[data-key]")) {
    const button = make("button", "", ...header.childNodes);
    button.type = "button";
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = header.classList.contains("number") && header.dataset.key !== "rank" ? "descending" : "ascending";
      const turned = { ascending: "descending", descending: "ascending" };
      const order = turned[header.getAttribute("aria-sort")] ?? first;
      for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", order);
      sort(header.dataset.key, order === "ascending" ? 1 : -1);
    });
  }
}

/* A table whose rows are all in the page. */
function setUpTable(box) {
  const body = box.querySelector("tbody");
  const rows = [...body.rows];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
  };
  sortable(box.querySelector("table"), (column, sign) => {
    const isNumber = row => typeof valueOf(row, column) === "number";
    rows.sort((a, b) =>  // what is no number comes last among numbers
      isNumber(b) - isNumber(a) || sign * compare(valueOf(a, column), valueOf(b, column)));
    body.append(...rows);
  });
  const filter = box.querySelector("[data-filter]");
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const shown = rows.filter(row => !row.hidden).length;
    box.querySelector("[data-count]").textContent = `${count(shown)} of ${count(rows.length)} rows`;
  });
}

/* All neurons of a study, from its data block. */
function readNeurons(data) {
  const layers = data.layers.length;
  const layerOf = id => {
    let low = 0;
    for (let high = layers; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (data.starts[middle] <= id) low = middle; else high = middle;
    }
    return low;
  };
  return data.order.map((id, place) => {
    const layer = layerOf(id);
    return {
      id, layer, rank: place + 1,
      name: `${data.layers[layer]}\u00a0·\u00a0${id - data.starts[layer]}`,
      salience: data.salience[place] ?? Infinity,
      weight: data.weight[place],
      target: data.target[place],
      detail: data.details[id],
    };
  });
}

function setUpNeurons(box, data, neurons) {
  const body = box.querySelector("tbody");
  const form = box.querySelector("form");
  const pattern = body.rows[0].cloneNode(true);
  const more = box.querySelector("[data-more]");
  const listed = Object.fromEntries(
    Object.entries(data.listed).map(([target, ids]) => [target, new Set(ids)]));
  let found = neurons;
  let order = [neuron => neuron.rank, 1];

  const option = (value, text) => Object.assign(make("option", "", text), { value });
  form.layer.append(...data.layers.map((name, number) => option(number, name)));
  form.target?.append(...data.shown.map(number => option(number, data.classes[number])));

  const rowOf = neuron => {
    const row = pattern.cloneNode(true);
    row.id = "";
    const cell = name => row.querySelector(`[data-field=${name}]`);
    const link = make("a", "", neuron.name);
    link.href = `#neuron-${neuron.id}`;
    cell("rank").textContent = count(neuron.rank);
    cell("neuron").replaceChildren(link);
    cell("salience").textContent = readable(neuron.salience);
    cell("weight").textContent = signed(neuron.weight, 3);
    cell("target")?.replaceChildren(neuron.target < 0 ? "–" : classLink(data, neuron.target));
    cell("words").replaceChildren(...wordsOf(neuron));
    return row;
  };
  const show = from => {
    if (!from) body.replaceChildren();
    body.append(...found.slice(from, from ? from + STEP : FIRST).map(rowOf));
    more.hidden = body.rows.length >= found.length;
    form.count.textContent = `${count(found.length)} of ${count(neurons.length)} neurons`;
  };
  const matches = (neuron, text) =>
    neuron.name.toLowerCase().includes(text) || String(neuron.id) === text ||
    [...neuron.detail?.up ?? [], ...neuron.detail?.down ?? []]
      .some(([word]) => word.toLowerCase().includes(text));
  const update = () => {
    const [text, layer, target] = [form.text.value.trim().toLowerCase(), form.layer.value, form.target?.value];
    const [key, sign] = order;
    found = neurons
      .filter(neuron => !text || matches(neuron, text))
      .filter(neuron => !layer || neuron.layer === Number(layer))
      .filter(neuron => !target || listed[target].has(neuron.id))
      .sort((a, b) => sign * compare(key(a), key(b)) || a.rank - b.rank);
    show(0);
  };
  const keys = { neuron: "id", target: "target", rank: "rank", salience: "salience", weight: "weight" };
  sortable(box.querySelector("table"), (name, sign) => {
    order = [name === "target" ? neuron => data.classes[neuron.target] ?? "\uffff" : neuron => neuron[keys[name]], sign];
    update();
  });
  box.querySelector("caption").remove();
  form.addEventListener("input", update);
  form.addEventListener("submit", event => event.preventDefault());
  more.addEventListener("click", () => show(body.rows.length));
  show(0);
}

function classLink(data, number) {
  const link = make("a", "class", label(data.classes[number]));
  link.href = `#class-${number}`;
  link.title = data.classes[number];
  return link;
}

/* Those that speak most for the neuron's class. */
function wordsOf(neuron) {
  const raised = neuron.weight >= 0;
  const words = (raised ? neuron.detail?.up : neuron.detail?.down)?.slice(0, SHOWN_WORDS) ?? [];
  if (!words.length) return [make("span", "none", "–")];
  return [raised ? "↑ " : "↓ ", ...words.flatMap(([word]) => [make("span", "word", label(word)), " "])];
}

function bar(share) {
  const svg = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("rect", { class: "fill", width: 100 * share, height: 10 }));
  return svg;
}

/* Words at one end: word, bar, mean, how often it occurs. */
function endOf(title, words, className) {
  const most = Math.max(...words.map(([, mean]) => Math.abs(mean)));
  const table = make("table", className, make("caption", "", title));
  for (const [word, mean, times] of words) {
    const row = make("tr", "", make("td", "", make("span", "word", label(word))));
    row.append(make("td", "bar", bar(Math.abs(mean) / most)));
    row.append(make("td", "number", signed(mean / 10, 1)), make("td", "number none", `× ${count(times)}`));
    table.append(row);
  }
  return words.length ? table : make("p", "note", `${title}: none.`);
}

function histogram(heights, most) {
  const bins = heights.length;
  const svg = draw("svg", { viewBox: `0 0 ${bins} 10`, preserveAspectRatio: "none", "aria-hidden": "true" });
  [...heights].forEach((height, bin) => {
    const tall = 10 * parseInt(height, 36) / most;
    if (tall) svg.append(draw("rect", { class: "fill", x: bin + .04, y: 10 - tall, width: .92, height: tall }));
  });
  svg.append(draw("path", { class: "zero", d: `M${bins / 2} 0V10` }));
  return svg;
}

const middleOf = heights => {
  const shares = [...heights].map(height => parseInt(height, 36));
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.reduce((sum, share, bin) => sum + share * bin, 0) / (total || 1);
};

/* One line per class, those with the highest activations first. */
function histograms(data, neuron) {
  const rows = neuron.detail.histogram
    .map((heights, number) => [heights, number])
    .filter(([, number]) => !data.classes.length || data.shown.includes(number))
    .sort((a, b) => middleOf(b[0]) - middleOf(a[0]));
  const table = make("table", "histograms");
  for (const [heights, number] of rows) {
    const row = make("tr", number === neuron.target ? "own" : "");
    const head = make("th", "", data.classes.length ? classLink(data, number) : "all rows");
    head.scope = "row";
    if (data.rows.length) head.append(make("span", "none", ` × ${count(data.rows[number])}`));
    row.append(head, make("td", "", histogram(heights, data.heights)));
    table.append(row);
  }
  const scale = make("div", "scale", make("span", "", `≤ −${data.ends}`), make("span", "", "0"), make("span", "", `≥ +${data.ends}`));
  const foot = make("tr", "", make("td", ""), make("td", "", scale));
  table.append(foot);
  return table;
}

function sentence([words, values, peak, name]) {
  const box = document.createDocumentFragment();
  const line = make("p", "sentence");
  line.dir = "auto";
  words.forEach((word, place) => {
    const value = values[place] === null ? null : values[place] / 10;
    const level = Math.min(LEVELS, Math.round(Math.abs(value ?? 0) / FULL * LEVELS));
    const span = make("span", level ? `${value > 0 ? "u" : "d"}${level}` : "", word);
    if (place === peak) span.classList.add("peak");
    if (value !== null) span.title = `${signed(value, 1)} standard deviations`;
    line.append(span, " ");
  });
  const said = make("p", "note", label(words[peak]), ` ${signed(values[peak] / 10, 1)}`);
  if (name !== null) said.append(", ", label(name));
  box.append(said, line);
  return box;
}

function neuronPart(data, neurons, neuron) {
  const parts = document.createDocumentFragment();
  const facts = make("p", "", `Rank ${count(neuron.rank)} of ${count(neurons.length)}, salience ${readable(neuron.salience)}`);
  if (neuron.target >= 0) facts.append("; most salient for ", classLink(data, neuron.target));
  facts.append(`, weight ${signed(neuron.weight, 3)}.`);
  parts.append(facts);
  const others = data.shown.filter(number => number !== neuron.target && data.listed[number].includes(neuron.id));
  if (others.length) {
    const also = make("p", "", `Also among the first of `);
    others.forEach((number, place) => also.append(place ? ", " : "", classLink(data, number),
      ` (${data.listed[number].indexOf(neuron.id) + 1})`));
    parts.append(also);
  }
  if (!neuron.detail) {
    parts.append(make("p", "note", "Words, histograms and sentences are stored for the most salient neurons only."));
    return parts;
  }
  const { up, down, sentences } = neuron.detail;
  if (up.length || down.length) {
    const ends = make("div", "ends", endOf("Raised by", up, "above"), endOf("Lowered by", down, "below"));
    parts.append(make("h3", "", "Words"), make("p", "note", "Mean activation in standard deviations from the neuron's mean, and how often the word occurs."), ends);
  }
  parts.append(make("h3", "", data.classes.length ? "Activation by class" : "Activations"),
    make("p", "note", `Share of the ${data.classes.length ? "class's " : ""}rows by activation, in standard deviations. ` +
      (neuron.target >= 0 ? "The class that the neuron is most salient for is in orange." : "")),
    histograms(data, neuron));
  if (sentences.length) {
    const legend = document.getElementById("sentence-legend").cloneNode(true);
    legend.removeAttribute("id");
    parts.append(make("h3", "", "Sentences"), legend, ...sentences.map(sentence));
  }
  return parts;
}

/* The drawer follows the address: #neuron-12, #class-3. */
function setUpDrawer(data, neurons) {
  const drawer = document.getElementById("drawer");
  const title = document.getElementById("drawer-title");
  const body = document.getElementById("drawer-body");
  const byId = new Map(neurons.map(neuron => [neuron.id, neuron]));
  let opener = null;

  const open = (name, ...content) => {
    title.replaceChildren(name);
    body.replaceChildren(...content);
    if (!drawer.open) {
      opener = document.activeElement;
      drawer.showModal();
    }
    drawer.scrollTop = 0;
    title.focus();
  };
  const follow = () => {
    const [, kind, number] = /^#(neuron|class)-(\d+)$/.exec(location.hash) ?? [];
    const neuron = kind === "neuron" && byId.get(Number(number));
    const part = kind === "class" && document.getElementById(`class-${number}`);
    if (neuron) open(neuron.name, neuronPart(data, neurons, neuron));
    else if (part) open(label(data.classes[number]), part.querySelector(".class-body").cloneNode(true));
    else if (drawer.open) drawer.close();
  };
  addEventListener("hashchange", follow);
  drawer.addEventListener("close", () => {
    if (/^#(neuron|class)-/.test(location.hash)) history.replaceState(null, "", "#");
    opener?.focus();
  });
  drawer.addEventListener("click", event => {
    if (event.target === drawer || event.target.closest("[data-close]")) drawer.close();
  });
  document.addEventListener("click", event => {  // the same one again, which changes no address
    const link = event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  follow();
}

document.documentElement.classList.add("scripts");
document.querySelectorAll("[data-sortable]").forEach(setUpTable);
const block = document.getElementById("data");
if (block) {
  const data = JSON.parse(block.textContent);
  const neurons = readNeurons(data);
  setUpNeurons(document.getElementById("neuron-table"), data, neurons);
  setUpDrawer(data, neurons);
}
