// The analysis form: METR's links hold it in their fragment, and the last model is remembered.
import { one } from "./dom.js";

const model = one("#model");
const asked = new URLSearchParams(location.hash.slice(1));
for (const [name, field] of [["analysis", "#question"], ["model", "#model"], ["sql", "#sql"]]) {
  if (asked.get(name) && !one(field).value) one(field).value = asked.get(name);
}
if (!model.value) model.value = localStorage.getItem("analysisModel") ?? "";
one("#analysis-form").addEventListener("submit", () => localStorage.setItem("analysisModel", model.value));
