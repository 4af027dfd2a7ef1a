// Shortcuts. Every one of them presses a link or a button that is on the page: with scripts off nothing is missing but these.
"use strict";

const typing = (target) => target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");

// What a key means where letters are not Latin ones (an Arabic layout): what stands at its place on a Latin one.
function named(event) {
  if (/^[ -~]+$/.test(event.key)) return event.key;
  if (event.code === "Slash" || event.key === "\u061f") return event.shiftKey ? "?" : "/";
  if (!/^Key[A-Z]$/.test(event.code)) return event.key;
  return event.shiftKey ? event.code[3] : event.code[3].toLowerCase();
}

// Rows that lead to a case: the queue's, or those of the lists on a case's page and of a search.
function rows() {
  return [...document.querySelectorAll("table.queue tbody tr, .found li")].filter((row) => row.querySelector("a"));
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next.querySelector("a").focus();
}

// Ticks of the queue's rows, where there are any: one by one, or all of the page.
const whole = document.querySelector("#bulk [name=all]");
const ticks = () => [...document.querySelectorAll("table.queue [type=checkbox]")];

function tick() {
  const row = rows().find((each) => each.contains(document.activeElement));
  if (row) row.querySelector("[type=checkbox]").click();
}

if (whole) {
  whole.addEventListener("change", () => {
    for (const each of ticks()) each.checked = whole.checked;
  });
  document.querySelector("table.queue").addEventListener("change", () => {
    whole.checked = ticks().every((each) => each.checked);
  });
}

document.addEventListener("keydown", (event) => {
  // A key that is held down acts once; moving goes on.
  if (event.repeat && !typing(event.target) && event.code !== "KeyJ" && event.code !== "KeyK") {
    if (event.key === "Enter") event.preventDefault();
    return;
  }
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
  if (event.key === "Enter" && event.target.matches("a, button, select, summary, input")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const key = named(event);
  if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "x" && whole) tick();
  else if (key === "X" && whole) whole.click();
  else {
    const field = document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
    if (field) {
      field.focus();
      event.preventDefault();
      return;
    }
    const pressed = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!pressed) return;
    const reason = pressed.form && !pressed.formNoValidate && pressed.form.elements.reason;
    if (reason && !reason.value) reason.focus();
    else pressed.click();
  }
  event.preventDefault();
});
