// What the dashboard does beyond plain pages: live updates, copy buttons, dialogs and keyboard shortcuts. Every
// page works without it.
"use strict";

(() => {
  const LIVE_MS = 5000;
  // Who has just done something looks for what becomes of it.
  const SOON_MS = 1000;
  const AWAITED_MS = 30000;
  const find = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Times: the words grow older with the page, and the exact time shows in the viewer's zone.
  // The server's clock counts, not this machine's.
  const skewMs = Date.parse(document.documentElement.dataset.now) - Date.now();
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const words = (then) => {
    const seconds = Math.round((Date.now() + skewMs - then) / 1000);
    const ago = Math.abs(seconds);
    if (ago < 2) return "now";
    const text =
      ago < 60 ? `${ago} s`
      : ago < 3600 ? `${Math.floor(ago / 60)} min`
      : ago < 172800 ? `${Math.floor(ago / 3600)} h`
      : `${Math.floor(ago / 86400)} d`;
    return seconds > 0 ? `${text} ago` : `in ${text}`;
  };
  const showTimes = (root = document) => {
    for (const time of find("time[datetime]", root)) {
      const then = Date.parse(time.dateTime);
      if (Number.isNaN(then)) continue;
      const text = words(then);
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.exact) {
        time.dataset.exact = "1";
        time.title = exact.format(then);
      }
    }
  };

  // Copy buttons.
  const showCopies = (root = document) => {
    if (!navigator.clipboard) return;
    for (const button of find("[data-copy][hidden]", root)) button.hidden = false;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    const from = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
    await navigator.clipboard.writeText(from ? from.textContent : button.dataset.copy);
    button.classList.add("done");
    say("Copied");
    setTimeout(() => button.classList.remove("done"), 1500);
  });

  // A line that screen readers read out.
  const speaker = document.createElement("p");
  speaker.className = "visually-hidden";
  speaker.setAttribute("role", "status");
  const say = (text) => { speaker.textContent = text; };

  // Dialogs.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  });

  // Forms that are sent when their field changes need no button.
  const prepareForms = (root = document) => {
    for (const form of find("form[data-submit-on-change]", root)) {
      for (const button of find("button[type=submit]", form)) button.hidden = true;
      form.addEventListener("change", () => form.requestSubmit());
    }
    for (const button of find("button[data-selected]", root)) {
      const count = () => {
        const chosen = find("input[name=event]:checked", button.form).length;
        button.textContent = button.dataset.selected.replace("#", chosen);
        button.disabled = chosen === 0;
        button.closest(".bulk").hidden = chosen === 0;
      };
      button.form.addEventListener("change", count);
      count();
    }
    for (const all of find("[data-select-all]", root)) {
      all.addEventListener("change", () => {
        const form = all.form ?? all.closest("form");
        for (const box of form.elements) if (box.name === "event" && box.type === "checkbox") box.checked = all.checked;
      });
    }
  };
  // A form that is sent twice by a double click would do its work twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
  });

  // Live updates: the page is loaded again in the background while somebody looks at it, and the elements that are
  // marked take over their new content. What the viewer has opened, selected or focused stays.
  let isPaused = false;
  let wait = LIVE_MS;
  const keep = (old, fresh) => {
    for (const open of find("details[open][id]", old)) fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
    for (const box of find("input[type=checkbox]:checked", old)) {
      const same = find("input[type=checkbox]", fresh).find((other) => other.name === box.name && other.value === box.value);
      if (same) same.checked = true;
    }
  };
  const isBusy = (element) => element.contains(document.activeElement) || !getSelection().isCollapsed;
  const update = async () => {
    const marked = find("[data-live][id]");
    if (marked.length === 0 || isPaused || document.hidden) return;
    const began = performance.now();
    const answer = await fetch(location.href, { headers: { accept: "text/html", "x-live-update": "1" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A busy server is asked less often.
    const isAwaited = document.querySelector(".notice") && performance.now() < AWAITED_MS;
    wait = Math.max(isAwaited ? SOON_MS : LIVE_MS, 50 * (performance.now() - began));
    for (const old of marked) {
      const fresh = page.getElementById(old.id);
      if (!fresh || isBusy(old)) continue;
      showTimes(fresh);
      showCopies(fresh);
      keep(old, fresh);
      if (old.innerHTML === fresh.innerHTML) continue;
      const known = new Set(find("[data-row]", old).map((row) => row.dataset.row));
      old.replaceChildren(...fresh.childNodes);
      if (known.size > 0) for (const row of find("[data-row]", old)) if (!known.has(row.dataset.row)) row.classList.add("fresh");
      prepareForms(old);
    }
  };
  const live = async () => {
    try { await update(); } catch { wait = 2 * LIVE_MS; }
    setTimeout(live, wait * (0.9 + Math.random() * 0.2));
  };
  const pause = () => {
    const buttons = find("[data-live-pause]");
    if (buttons.length === 0) return;
    isPaused = !isPaused;
    for (const button of buttons) button.setAttribute("aria-pressed", String(isPaused));
    say(isPaused ? "Live updates are paused" : "Live updates go on");
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-live-pause]")) pause();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) update().catch(() => {}); });

  // Keys: `g` and a letter lead to a page.
  let isAfterG = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    const key = event.key;
    if (isAfterG) {
      isAfterG = false;
      const link = document.querySelector(`.top nav a[data-key="${CSS.escape(key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (key === "g") {
      isAfterG = true;
      setTimeout(() => { isAfterG = false; }, 1500);
    } else if (key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select?.(); }
    } else if (key === "?") {
      document.getElementById("keys")?.showModal();
    } else if (key === "l") {
      pause();
    }
  });

  const start = () => {
    document.body.append(speaker);
    for (const button of find("[data-dialog][hidden], [data-live-pause][hidden]")) button.hidden = false;
    showTimes();
    showCopies();
    prepareForms();
    setInterval(showTimes, 10000);
    setTimeout(live, document.querySelector(".notice") ? SOON_MS : LIVE_MS);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
