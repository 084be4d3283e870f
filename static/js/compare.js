// Comparison of runs: a task's row opens the runs behind it.
document.addEventListener("click", (event) => {
  const button = event.target.closest(".unfold");
  if (!button) return;
  const row = document.getElementById(button.getAttribute("aria-controls"));
  row.hidden = !row.hidden;
  button.setAttribute("aria-expanded", String(!row.hidden));
});
