// Two traces: from difference to difference, by buttons or J and K.
import { all, isTyping, say } from "./dom.js";

const places = all(".pair.differs").filter((pair, i, pairs) => pairs[i - 1] !== pair.previousElementSibling);
let at = -1;

function go(step) {
  if (!places.length) return say("There is no difference");
  at = Math.min(places.length - 1, Math.max(0, at + step));
  places[at].scrollIntoView({ block: "center" });
  places[at].focus({ preventScroll: true });
  say(`Difference ${at + 1} of ${places.length}`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-go]");
  if (button) go(Number(button.dataset.go));
});
document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j" || event.key === "k") go(event.key === "j" ? 1 : -1);
});
