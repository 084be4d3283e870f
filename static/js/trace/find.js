// Find in the trace: the server knows which entries say it, the page marks where.
import { fromAddress, keepInAddress, one, withQuery } from "../dom.js";
import { getJson } from "../live.js";

export class Finder {
  constructor(view) {
    this.view = view;
    this.field = one("#find");
    this.told = one("#found");
    this.hits = new Set();
    this.list = [];
    this.query = "";
    this.timer = 0;
    this.field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.look(), 200);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.field.value = "";
        this.look();
      }
    });
  }

  /** A link may say what was looked for: it is marked, and what the link points at stays. */
  ofAddress() {
    this.field.value = fromAddress("q") ?? "";
    if (this.field.value) this.look({ stays: this.view.current !== null });
  }

  isHit(index) {
    return this.hits.has(index);
  }

  /** Entries came: what is looked for may be in them. */
  again() {
    if (this.query) this.look({ stays: true });
  }

  async look({ stays = false } = {}) {
    const query = this.field.value.trim();
    this.query = query;
    keepInAddress("q", query);
    let found = { found: [], is_all: true };
    if (query) found = await getJson(withQuery(this.view.run.dataset.find, { q: query }));
    if (query !== this.query) return;
    this.list = found.found;
    this.hits = new Set(this.list);
    this.isAll = found.is_all;
    this.say();
    this.view.window.draw();
    if (!stays && this.list.length && !this.hits.has(this.view.current)) this.step(1);
  }

  step(by) {
    const { trace, current } = this.view;
    if (!this.list.length) return;
    const here = current === null ? -1 : (trace.place.get(current) ?? -1);
    const places = this.list.map((index) => trace.place.get(index)).filter((i) => i !== undefined);
    const next = by > 0 ? places.find((i) => i > here) : places.findLast((i) => i < here);
    const i = next ?? (by > 0 ? places[0] : places.at(-1));
    if (i === undefined) return;
    this.view.select(trace.index[i], { share: 0.3 });
    this.say();
  }

  say() {
    const at = this.list.indexOf(this.view.current);
    const count = `${this.list.length.toLocaleString("en")}${this.isAll === false ? "+" : ""}`;
    this.told.textContent = !this.query ? "" : !this.list.length ? "not found" : at < 0 ? count : `${at + 1} of ${count}`;
  }

  /** Mark the words in the rows that are drawn, without touching their text. */
  mark() {
    if (!("highlights" in CSS)) return;
    CSS.highlights.delete("found");
    if (!this.query) return;
    const wanted = this.query.toLowerCase();
    const ranges = [];
    const walker = document.createTreeWalker(this.view.window.pane, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, Math.min(node.length, at + wanted.length));
        ranges.push(range);
      }
    }
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
  }
}
