// A small chart of an answer: a line over numbers and times, bars over words.
const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [720, 300, 64, 34, 12, 130];
const HUES = 6;

const svg = (name, attributes, text) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const short = (number) => (Math.abs(number) >= 1e6 || (number && Math.abs(number) < 1e-3) ? number.toExponential(1) : String(+number.toFixed(3)));

/** Draw the chart of `place.dataset.chart`, with fields for its axes. */
export function chart(place) {
  const { columns, rows } = JSON.parse(place.dataset.chart);
  const numbers = columns.map((column, i) => [column, i]).filter(([column]) => column.kind === "number");
  const y = Math.max(...numbers.filter(([column]) => column.name !== "id").map(([, i]) => i), numbers[0][1]);
  const times = columns.findIndex((column) => column.kind === "time");
  const chosen = { y, x: times >= 0 ? times : columns.findIndex((_, i) => i !== y), by: -1 };
  if (chosen.x < 0) chosen.x = y;
  const axes = place.querySelector(".axes");
  const pick = (name, label, fits, none) => {
    const field = document.createElement("label");
    const select = document.createElement("select");
    select.className = "input small";
    if (none) select.append(new Option(none, -1));
    columns.forEach((column, i) => fits(column) && select.append(new Option(column.name, i)));
    select.value = chosen[name];
    select.addEventListener("change", () => {
      chosen[name] = Number(select.value);
      draw();
    });
    field.append(`${label} `, select);
    axes.append(field);
  };
  const draw = () => place.querySelector(".drawing").replaceChildren(drawn(columns, rows, chosen));
  pick("y", "Draw", (column) => column.kind === "number");
  pick("x", "over", () => true);
  pick("by", "by", (column) => column.kind === "word", "nothing");
  draw();
}

function drawn(columns, rows, { x, y, by }) {
  const kind = columns[x].kind;
  const value = (cell) => (kind === "time" && typeof cell === "string" ? Date.parse(cell) : cell);
  const points = rows.map((row) => ({ x: value(row[x]), y: row[y], by: by < 0 ? "" : String(row[by] ?? "NULL") }))
    .filter((point) => point.x !== null && point.y !== null && !Number.isNaN(point.x));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${columns[y].name} over ${columns[x].name}` });
  if (!points.length) {
    picture.append(svg("text", { x: LEFT, y: 40 }, "No row has both values."));
    return picture;
  }
  const words = kind === "word" ? [...new Set(points.map((point) => point.x))].slice(0, 40) : null;
  const [low, high] = ends(points.map((point) => point.y), words !== null);
  const py = (at) => HEIGHT - BOTTOM - ((at - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  for (let i = 0; i <= 4; i += 1) {
    const at = low + ((high - low) * i) / 4;
    picture.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: py(at), y2: py(at), class: "grid" }));
    picture.append(svg("text", { x: LEFT - 6, y: py(at) + 4, class: "end" }, short(at)));
  }
  const series = [...new Set(points.map((point) => point.by))].slice(0, HUES);
  if (words) bars(picture, points, words, series, py, low);
  else lines(picture, points, series, py, kind);
  if (by >= 0) series.forEach((name, i) => {
    picture.append(svg("rect", { x: WIDTH - RIGHT + 10, y: TOP + i * 18, width: 10, height: 10, class: `fill c${i + 1}` }));
    picture.append(svg("text", { x: WIDTH - RIGHT + 26, y: TOP + 9 + i * 18 }, name.slice(0, 16)));
  });
  return picture;
}

function ends(values, fromZero) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (fromZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

function lines(picture, points, series, py, kind) {
  const [low, high] = ends(points.map((point) => point.x), false);
  const px = (at) => LEFT + ((at - low) / (high - low)) * (WIDTH - LEFT - RIGHT - 8);
  const told = (at) => (kind === "time" ? new Date(at).toISOString().slice(0, high - low < 2 * 864e5 ? 16 : 10).replace("T", " ") : short(at));
  for (const at of [low, high]) picture.append(svg("text", { x: px(at), y: HEIGHT - 12, class: at === low ? "" : "end" }, told(at)));
  series.forEach((name, i) => {
    const own = points.filter((point) => point.by === name).sort((a, b) => a.x - b.x);
    picture.append(svg("polyline", { points: own.map((point) => `${px(point.x).toFixed(1)},${py(point.y).toFixed(1)}`).join(" "), class: `line c${i + 1}` }));
    for (const point of own.slice(0, 200)) {
      const dot = svg("circle", { cx: px(point.x), cy: py(point.y), r: 3, class: `fill c${i + 1}` });
      dot.append(svg("title", {}, `${told(point.x)}: ${short(point.y)}${name ? `, ${name}` : ""}`));
      picture.append(dot);
    }
  });
}

function bars(picture, points, words, series, py, low) {
  const room = (WIDTH - LEFT - RIGHT) / words.length;
  const width = Math.max(1, (room - 4) / series.length);
  words.forEach((word, place) => {
    series.forEach((name, i) => {
      const own = points.filter((point) => point.x === word && point.by === name);
      if (!own.length) return;
      const sum = own.reduce((all, point) => all + point.y, 0) / own.length;
      const [top, base] = [py(Math.max(sum, 0)), py(Math.max(low, Math.min(sum, 0)))];
      const bar = svg("rect", { x: LEFT + place * room + 2 + i * width, y: top, width, height: Math.max(1, base - top), class: `fill c${i + 1}` });
      bar.append(svg("title", {}, `${word}: ${short(sum)}${own.length > 1 ? `, mean of ${own.length}` : ""}`));
      picture.append(bar);
    });
    const fits = Math.max(2, Math.floor(room / 7));
    picture.append(svg("text", { x: LEFT + place * room + room / 2, y: HEIGHT - 12, class: "middle" }, String(word).slice(0, fits)));
  });
}
