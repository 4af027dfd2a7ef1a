// Shortcuts. Every one of them presses a link or a button that is on the page: with scripts off nothing is missing but these.
"use strict";

const typing = (target) => target.matches("input, textarea, select, [contenteditable]");

function rows() {
  return [...document.querySelectorAll("table.queue tbody tr")];
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next.querySelector("a").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
  if (event.key === "Enter" && event.target.matches("a, button, select")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else {
    const field = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
    if (field) {
      field.focus();
      event.preventDefault();
      return;
    }
    const pressed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!pressed) return;
    const reason = pressed.form && pressed.form.elements.reason;
    if (reason && !reason.value) reason.focus();
    else pressed.click();
  }
  event.preventDefault();
});
