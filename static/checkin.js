// Helps with the hosted form: checks while somebody types, writes numbers in groups, counts
// the price down, and lets nobody press twice. Without this file the form is complete.
"use strict";

(() => {
  const PAUSE_MS = 700;
  const IBAN = /^[a-z]{2}\d/i;
  const language = document.documentElement.lang;
  const locale = navigator.languages.find((name) => name.startsWith(language)) || language;

  const problem = document.getElementById("problem");
  if (problem) problem.focus();

  // --- Nobody presses twice --------------------------------------------------------

  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.isSent) {
        event.preventDefault();
        return;
      }
      form.dataset.isSent = "yes";
      if (form.dataset.check) remember(form);
      // Which button it was counts, so its words change once the form has been read.
      setTimeout(() => {
        for (const button of form.querySelectorAll("button:not([hidden])")) {
          button.dataset.words = button.textContent;
          button.textContent = form.dataset.wait;
          button.setAttribute("aria-disabled", "true");
        }
      });
    });
  }

  // Who comes back by the browser's own button finds the page as it was left.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-is-sent]")) {
      delete form.dataset.isSent;
      for (const button of form.querySelectorAll("button[data-words]")) {
        button.textContent = button.dataset.words;
        button.removeAttribute("aria-disabled");
      }
    }
  });

  // --- Details: checks and groups ---------------------------------------------------

  const details = document.querySelector("form[data-check]");
  if (details) {
    recall(details);
    watch(details);
  }

  // Pages like this one are kept in no cache, so the browser's own button would find the
  // form empty. What was typed stays with this tab's history, and goes with it.
  function remember(form) {
    history.replaceState(Object.fromEntries(new FormData(form)), "");
  }

  function recall(form) {
    for (const [name, value] of Object.entries(history.state || {})) {
      const box = form.elements[name];
      if (box && !box.value) box.value = value;
    }
  }

  function watch(form) {
    const touched = new Set();
    let timer = 0;
    let asked = 0;

    const part = (name) => form.querySelector(`[data-field="${name}"]`);

    function say(name, words) {
      const field = part(name);
      if (!field) return;
      const line = field.querySelector(".wrong");
      if (line.textContent !== words) line.textContent = words;
      field.classList.toggle("is-wrong", Boolean(words));
      const input = field.querySelector(".input");
      if (input && words) input.setAttribute("aria-invalid", "true");
      else if (input) input.removeAttribute("aria-invalid");
      const fold = field.querySelector("details");
      if (fold && words) fold.open = true;
    }

    function found(place) {
      const inputs = form.querySelectorAll("input.input");
      const field = inputs[inputs.length - 1].closest("[data-field]");
      let line = field.querySelector(".found");
      if (!line) {
        line = document.createElement("p");
        line.className = "found";
        line.setAttribute("role", "status");
        field.append(line);
      }
      line.textContent = place && form.dataset.found.replace("{}", place);
    }

    async function ask(isLeaving) {
      const number = ++asked;
      let told;
      try {
        const answer = await fetch(form.dataset.check, {
          method: "POST",
          body: new URLSearchParams(new FormData(form)),
          cache: "no-store",
          credentials: "omit",
          signal: AbortSignal.timeout?.(10000),
        });
        if (!answer.ok) return;
        told = await answer.json();
      } catch {
        return; // The server looks again at what is sent.
      }
      if (number !== asked) return;
      for (const field of form.querySelectorAll("[data-field]")) {
        const name = field.dataset.field;
        const words = told.errors[name] || "";
        // Nobody is told of what she has not come to yet, nor while she is at it.
        if (!words || (touched.has(name) && (isLeaving || isSettled(field)))) say(name, words);
      }
      found(told.place);
      if (told.place && problem) problem.remove();
      if (isLeaving) regroup(told.fields);
    }

    // A field that somebody is still in is wrong only once it was told to be.
    function isSettled(field) {
      return !field.contains(document.activeElement) || field.classList.contains("is-wrong");
    }

    function regroup(fields) {
      for (const [name, value] of Object.entries(fields)) {
        const input = form.querySelector(`input.input[name="${name}"]`);
        if (input && input !== document.activeElement) input.value = value;
      }
    }

    form.addEventListener("input", (event) => {
      touched.add(event.target.name);
      found("");
      // What comes of a number depends on its country, and of it on the number.
      if (event.target.name === "country") touched.add("gateway");
      if (event.target.name === "iban") inFours(event.target);
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE_MS, false);
    });
    form.addEventListener("change", (event) => {
      touched.add(event.target.name);
      if (event.target.name === "number") touched.add("gateway");
      clearTimeout(timer);
      timer = setTimeout(ask, 0, true);
    });
  }

  // Fours while it is typed, with the caret where it was among the letters.
  function inFours(input) {
    if (!IBAN.test(input.value)) return;
    const before = input.value.slice(0, input.selectionStart).replace(/[\s-]/g, "").length;
    const plain = input.value.replace(/[\s-]/g, "").toUpperCase();
    const grouped = plain.replace(/(.{4})(?=.)/g, "$1 ");
    if (grouped === input.value) return;
    input.value = grouped;
    const at = before + Math.floor(Math.max(before - 1, 0) / 4);
    input.setSelectionRange(at, at);
  }

  // --- Review: how long the price holds ----------------------------------------------

  const agree = document.getElementById("agree");
  if (agree) countDown(agree);

  function countDown(form) {
    const line = document.getElementById("holds");
    const [yes, renew] = ["yes", "renew"].map((id) => document.getElementById(id));
    // The countdown runs on the server's clock: a phone's may be minutes off.
    const skew = Date.parse(form.dataset.now) - Date.now();
    const until = Date.parse(form.dataset.until);
    const two = (number) => String(number).padStart(2, "0");
    const timer = setInterval(tick, 250);

    function tick() {
      const left = Math.ceil((until - Date.now() - skew) / 1000);
      if (left <= 0) {
        clearInterval(timer);
        over();
        return;
      }
      const shown = left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${two(left % 60)} s`;
      const words = line.dataset.holds.replace("{}", shown);
      if (line.textContent !== words) line.textContent = words;
    }

    function over() {
      if (yes.hidden) return;
      const wasHeld = document.activeElement === yes;
      line.setAttribute("role", "alert");
      line.classList.add("is-over");
      line.textContent = line.dataset.over;
      yes.hidden = true;
      renew.hidden = false;
      if (wasHeld) renew.focus();
    }

    tick();
  }

  // --- What the server cannot know: this place's time -------------------------------

  for (const time of document.querySelectorAll("time")) {
    const shown = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
    time.title = time.textContent;
    time.textContent = new Date(time.dateTime).toLocaleString(locale, shown);
  }
})();
