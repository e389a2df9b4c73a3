// Keeps the tracking page true without a reload: asks again, swaps what changed, counts
// down. The server draws everything; without this file the page is complete, only slower.
"use strict";

(() => {
  const HIDDEN_MS = 20000;
  const BACKOFF_MS_MAX = 30000;
  const shell = document.body.dataset;
  const language = document.documentElement.lang;
  // The page's language in the reader's own country, so that 14:32 is not 2:32 PM.
  const locale = navigator.languages.find((name) => name.startsWith(language)) || language;
  const away = document.getElementById("away");
  // The countdown runs on the server's clock: a phone's may be minutes off.
  const skew = Date.parse(shell.now) - Date.now();
  const sources = new Map();
  let etag = shell.etag;
  let failures = 0;
  let timer = 0;
  let isAsking = false;
  let checkedAt = new Date();

  const page = () => document.getElementById("page");

  // --- Words ---------------------------------------------------------------------

  function clock(moment, withSeconds) {
    const shown = { hour: "numeric", minute: "2-digit" };
    if (withSeconds) shown.second = "2-digit";
    if (moment.toDateString() !== new Date().toDateString()) {
      shown.day = "numeric";
      shown.month = "short";
    }
    return moment.toLocaleString(locale, shown);
  }

  function day(moment) {
    return moment.toLocaleDateString(locale, {
      weekday: "long",
      day: "numeric",
      month: "long",
    });
  }

  function duration(seconds) {
    const two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    if (minutes === 0) return `${seconds} s`;
    if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
    return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  }

  function tick() {
    const eta = document.getElementById("eta");
    if (!eta || !eta.dataset.due) return;
    const left = Math.ceil((Date.parse(eta.dataset.due) - Date.now() - skew) / 1000);
    const words =
      left > 0 ? eta.dataset.in.replace("{}", duration(left)) : eta.dataset.soon;
    if (eta.textContent !== words) eta.textContent = words;
  }

  // --- What the server cannot know: this place's time, this browser's clipboard ------

  function copyButton(code) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = shell.copy;
    button.setAttribute("aria-label", `${shell.copy} ${code.textContent}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.dataset.copy);
        button.textContent = shell.copied;
        setTimeout(() => (button.textContent = shell.copy), 2000);
      } catch {
        getSelection().selectAllChildren(code);
      }
    });
    return button;
  }

  function settleIn(root) {
    for (const time of root.querySelectorAll("time:not([data-utc])")) {
      time.title = time.textContent;
      const moment = new Date(time.dateTime);
      time.textContent =
        "day" in time.dataset ? day(moment) : clock(moment, "seconds" in time.dataset);
    }
    if (!navigator.clipboard) return;
    for (const code of root.querySelectorAll("code[data-copy]")) code.after(copyButton(code));
  }

  // --- Swapping ------------------------------------------------------------------

  // Every part has an id. A part whose source did not change is left alone, so focus, an
  // open fold and the live region stay as they are.
  function remember(root) {
    for (const part of root.querySelectorAll("[data-each] > [id], #page > [id]")) {
      sources.set(part.id, part.outerHTML);
    }
  }

  function sync(parent, fresh) {
    const wanted = new Set([...fresh.children].map((part) => part.id));
    for (const old of [...parent.children]) if (!wanted.has(old.id)) old.remove();
    [...fresh.children].forEach((part, place) => {
      const old = document.getElementById(part.id);
      if (!old) {
        parent.insertBefore(part, parent.children[place] || null);
        settleIn(part);
      } else if ("each" in part.dataset) {
        old.className = part.className;
        sync(old, part);
      } else if (sources.get(part.id) !== part.outerHTML) {
        replace(old, part);
      }
    });
  }

  function replace(old, part) {
    const held = old.contains(document.activeElement);
    if (part.getAttribute("role") === "status") {
      // A live region speaks when its text changes, not when it is another element.
      old.replaceChildren(...part.childNodes);
      return;
    }
    part.open = old.open;
    old.replaceWith(part);
    settleIn(part);
    const next = held && part.querySelector("button, a, summary");
    if (next) next.focus();
  }

  function show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const fresh = parsed.getElementById("page");
    const old = page();
    if (!fresh) return;
    const news = new Map();
    for (const part of fresh.querySelectorAll("[data-each] > [id], #page > [id]")) {
      news.set(part.id, part.outerHTML);
    }
    document.title = fresh.dataset.title;
    old.className = fresh.className;
    old.dataset.poll = fresh.dataset.poll;
    sync(old, document.adoptNode(fresh));
    sources.clear();
    for (const [id, html] of news) sources.set(id, html);
    tick();
  }

  // --- Asking --------------------------------------------------------------------

  async function ask() {
    if (isAsking) return;
    isAsking = true;
    clearTimeout(timer);
    let pause = 0;
    try {
      const answer = await fetch(shell.nowUrl, {
        cache: "no-store",
        credentials: "omit",
        headers: { "If-None-Match": etag },
        signal: AbortSignal.timeout?.(10000),
      });
      if (answer.status === 404) return;
      if (answer.status !== 304 && !answer.ok) {
        pause = 1000 * Number(answer.headers.get("Retry-After"));
        throw new Error(answer.statusText);
      }
      if (answer.ok) {
        show(await answer.text());
        etag = answer.headers.get("ETag");
      }
      failures = 0;
      checkedAt = new Date();
      away.textContent = "";
    } catch {
      failures += 1;
      const words = away.dataset.words.replace("{}", clock(checkedAt, true));
      if (failures > 1 && away.textContent !== words) away.textContent = words;
    } finally {
      isAsking = false;
    }
    plan(pause);
  }

  function plan(pause) {
    clearTimeout(timer);
    const usual = Number(page().dataset.poll);
    if (!usual) return;
    let wait = document.hidden ? HIDDEN_MS : usual;
    if (failures) wait = Math.max(wait, Math.min(usual * 2 ** failures, BACKOFF_MS_MAX));
    timer = setTimeout(ask, Math.max(wait, pause));
  }

  remember(document);
  settleIn(document);
  tick();
  setInterval(tick, 250);
  plan(0);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Number(page().dataset.poll)) ask();
    else plan(0);
  });
  addEventListener("online", () => Number(page().dataset.poll) && ask());
})();
