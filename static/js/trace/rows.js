// Rows that the server rendered, fetched in batches and kept while they are near.
import { element, withQuery } from "../dom.js";

const AT_ONCE = 80;
const KEPT = 1500;

export class Rows {
  constructor(url, onCome) {
    this.url = url;
    this.onCome = onCome;
    this.kept = new Map();
    this.asked = new Set();
    // Changed while they were being fetched: what comes may be old.
    this.stale = new Set();
    this.wanted = [];
    this.busy = 0;
  }

  get(index) {
    const row = this.kept.get(index);
    if (row) {
      this.kept.delete(index);
      this.kept.set(index, row);
    }
    return row;
  }

  /** Drop a row that changed; it is fetched again when it is next shown. */
  drop(index) {
    this.kept.delete(index);
    if (this.asked.has(index)) this.stale.add(index);
  }

  want(indexes) {
    this.wanted = indexes.filter((index) => !this.kept.has(index) && !this.asked.has(index));
    this.fetchSome();
  }

  async fetchSome() {
    if (!this.wanted.length || this.busy >= 2) return;
    const batch = this.wanted.splice(0, AT_ONCE);
    batch.forEach((index) => this.asked.add(index));
    this.busy++;
    try {
      const answer = await fetch(withQuery(this.url, { i: batch.join(",") }));
      if (!answer.ok) throw new Error(`rows: ${answer.status}`);
      const template = document.createElement("template");
      template.innerHTML = await answer.text();
      batch.forEach((index) => this.asked.delete(index));
      for (const row of [...template.content.children]) {
        const index = Number(row.dataset.index);
        if (!this.stale.delete(index)) this.keep(index, row);
      }
      this.onCome();
    } catch {
      // Asked again when the next scroll or change wants them.
    } finally {
      this.busy--;
      batch.forEach((index) => this.asked.delete(index));
    }
    this.fetchSome();
  }

  keep(index, row) {
    for (const image of row.querySelectorAll("img")) {
      image.addEventListener("error", () => {
        const told = document.createElement("span");
        told.className = "muted";
        told.textContent = image.dataset.alt;
        image.replaceWith(told);
      }, { once: true });
    }
    this.kept.set(index, row);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  static placeholder(index) {
    const row = element('<div class="entry loading" role="treeitem" aria-label="An entry that is being fetched"><span class="at"></span><span class="icon"></span><div class="what"><span class="skeleton"></span></div></div>');
    row.dataset.index = index;
    return row;
  }
}
