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

// What is left of a claim, counted down; the page says the moment anyway.
const lease = document.querySelector("[data-until]");
if (lease) {
  const said = lease.textContent;
  const count = () => {
    const left = Math.max(0, Number(lease.dataset.until) - Date.now());
    lease.textContent = `${said} (${Math.floor(left / 60000)}:${String(Math.floor(left / 1000) % 60).padStart(2, "0")})`;
    lease.classList.toggle("soon", left < 120000);
  };
  count();
  setInterval(count, 1000);
}
