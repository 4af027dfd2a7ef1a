// What changes without a reload: the queue's counts, and a claim that is kept while its holder works. With scripts off
// pages say the same when they are loaded again, and a claim is kept by its button.
"use strict";

(() => {
  const MINUTE = 60000;
  let active = Date.now();
  for (const kind of ["keydown", "pointermove", "pointerdown", "scroll"]) {
    addEventListener(kind, () => { active = Date.now(); }, { passive: true });
  }
  const idle = () => Date.now() - active;

  // Asking stops when nobody is there: else a session that is left alone would never end.
  const notice = document.querySelector("[data-live]");
  const ask = async () => {
    if (document.hidden || idle() > 10 * MINUTE) return;
    const answer = await fetch(notice.dataset.live, { redirect: "error" });
    if (!answer.ok) return;
    const { counts, said } = await answer.json();
    for (const [view, count] of Object.entries(counts)) {
      const place = document.querySelector(`[data-count="${CSS.escape(view)}"]`);
      if (place) place.textContent = count;
    }
    notice.hidden = !said;
    notice.querySelector("a").textContent = said;
  };
  if (notice) setInterval(() => ask().catch(() => {}), MINUTE / 4);

  // The server's clock counts, not this machine's.
  const lease = document.querySelector("[data-until]");
  const renewal = document.querySelector('[formaction$="/renew"]');
  if (!lease) return;
  const skew = Number(lease.dataset.now || Date.now()) - Date.now();
  const said = lease.textContent;
  const warning = document.querySelector("[data-warning]");
  const ended = document.querySelector("[data-ended]");
  let asking = false;

  const renew = async () => {
    const fields = renewal.form.elements;
    const body = new URLSearchParams({ csrf: fields.csrf.value, version: fields.version.value });
    const answer = await fetch(renewal.formAction, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const kept = page.querySelector("[data-until]");
    const version = page.querySelector('#case [name="version"]');
    if (!answer.ok || !kept || !version) return;
    lease.dataset.until = kept.dataset.until;
    fields.version.value = version.value;
  };

  const count = () => {
    const left = Math.max(0, Number(lease.dataset.until) - Date.now() - skew);
    lease.textContent = `${said} (${Math.floor(left / MINUTE)}:${String(Math.floor(left / 1000) % 60).padStart(2, "0")})`;
    lease.classList.toggle("soon", left < 2 * MINUTE);
    if (warning) warning.hidden = left >= 2 * MINUTE || !left;
    if (ended) ended.hidden = left > 0;
    if (renewal && !asking && left > 0 && left < 5 * MINUTE && idle() < 3 * MINUTE) {
      asking = true;
      renew().catch(() => {}).finally(() => setTimeout(() => { asking = false; }, MINUTE / 4));
    }
  };
  count();
  setInterval(count, 1000);
})();
