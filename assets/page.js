// What the server does not say: it sends a card when something changes; here the clock ticks, buttons in cards reach Gradio, the language is switched,
// and a view whose stream has gone silent is taken up again.
window.wanStudio = (() => {
  const TABS = ["image", "reference"];
  const QUIET = 30_000; // ms without a sign of life, after which a live view is taken up again: its stream may have ended without a word
  const DEAD = 10_000; // ms after that, when only opening the page anew helps: Gradio takes a stream that a proxy has ended for an open one
  const STORED = "wan-language";
  const LINK = /^#jobs=([\w-]{32,})$/;
  const ENDS = { SUCCEEDED: "✓ ", FAILED: "✕ ", CANCELLED: "✕ ", EXPIRED: "✕ " };
  const starts = new Map(); // clock -> when it began, in ms of this browser's own clock
  const seen = new Map(); // tab -> the card shown and when it came

  const view = (tab) => document.querySelector(`#wan-${tab}-view .wan-view`);
  const press = (tab, verb) => document.getElementById(`wan-${tab}-${verb}`)?.click();
  const asClock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  function tick(shown) {
    const clock = shown.querySelector("[data-clock]");
    if (!clock) return;
    const { clock: name, elapsed, expected } = clock.dataset;
    if (!starts.has(name)) starts.set(name, performance.now() - elapsed * 1000);
    const seconds = (performance.now() - starts.get(name)) / 1000;
    clock.querySelector("b").textContent = asClock(seconds);
    if (Number(expected)) {
      shown.style.setProperty("--made", String(Math.min(seconds / expected, 0.96)));
      shown.classList.toggle("late", seconds > Number(expected));
    }
  }

  function announce(shown) {
    const words = [...shown.querySelectorAll(".wan-title, .wan-say")].map((part) => part.innerText.trim()).join(". ");
    const announcer = document.getElementById("wan-announcer");
    if (announcer && words && announcer.textContent !== words) announcer.textContent = words;
  }

  // The browser's tab says what the page would: what is going on in it, or how it ended.
  function entitle() {
    const views = TABS.map(view).filter((one) => one && one.dataset.state !== "IDLE");
    const newest = TABS.filter((tab) => views.includes(view(tab))).sort((a, b) => (seen.get(b)?.at ?? 0) - (seen.get(a)?.at ?? 0))[0];
    const shown = views.find((one) => "live" in one.dataset) ?? (newest && view(newest));
    const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
    const words = shown?.querySelector(`.wan-title [lang=${language}]`)?.textContent;
    document.title = words ? `${ENDS[shown.dataset.state] ?? ""}${words} · Wan Studio` : "Wan Studio";
  }

  // Some names that Gradio gives to screen readers are in English whatever the page speaks; ours stand in the header, in both languages.
  function name() {
    const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
    for (const said of document.querySelectorAll("#wan-names [data-names]")) {
      const original = said.dataset.names;
      const words = said.querySelector(`[lang=${language}]`).textContent;
      for (const part of document.querySelectorAll(`[aria-label="${original}"], [title="${original}"], [data-named="${original}"]`)) {
        part.dataset.named = original;
        for (const kind of ["aria-label", "title"]) if (part.hasAttribute(kind) && part.getAttribute(kind) !== words) part.setAttribute(kind, words);
      }
    }
  }

  function mark(tab, shown) {
    const field = shown.querySelector("[data-field]")?.dataset.field.split(" ")[0];
    const wrong = field && document.getElementById(`wan-${tab}-${field}`);
    document.querySelectorAll(`[id^="wan-${tab}-"].wan-wrong`).forEach((old) => old === wrong || old.classList.remove("wan-wrong"));
    wrong?.classList.add("wan-wrong"); // at every tick: Gradio writes the class anew whenever the field changes
  }

  function look(tab) {
    const shown = view(tab);
    if (!shown) return;
    const last = seen.get(tab);
    const live = "live" in shown.dataset;
    // Gradio may mend the old elements instead of putting in new ones, so a card is known by what it says.
    const clock = shown.querySelector("[data-clock]")?.dataset;
    const card = [shown.dataset.state, clock?.clock, clock?.elapsed, shown.querySelector(".wan-say").textContent].join();
    if (last?.card !== card) {
      if (last && last.state !== shown.dataset.state) announce(shown);
      seen.set(tab, { card, state: shown.dataset.state, at: performance.now(), retaken: 0 });
      const generate = document.getElementById(`wan-${tab}-generate`);
      if (generate) generate.disabled = live;
    } else if (live) {
      const quiet = performance.now() - last.at;
      if (quiet > QUIET && !last.retaken) {
        last.retaken = performance.now();
        attach(tab);
      } else if (last.retaken && performance.now() - last.retaken > DEAD && !document.hidden && !keyTyped()) location.reload();
    }
    mark(tab, shown);
    tick(shown);
  }

  // Takes the tab's job up again; an older stream of it is let go first.
  function attach(tab) {
    press(tab, "quiet");
    setTimeout(() => press(tab, "watch"), 150);
  }

  // The page was opened, and shows every job as it was at that moment: what is on its way is followed from there.
  function arrived() {
    restore();
    setTimeout(() => TABS.filter((tab) => "live" in (view(tab)?.dataset ?? {})).forEach(attach), 60);
  }

  // After Generate or a retry: look at what came of it.
  function started(tab) {
    setTimeout(() => {
      const shown = view(tab);
      if (!shown) return;
      if ("live" in shown.dataset) attach(tab);
      if (innerWidth < 900) document.getElementById(`wan-${tab}-view`).scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    }, 60);
  }

  const linkOf = (token) => `${location.origin}${location.pathname}#jobs=${token}`;
  const keyTyped = () => [...document.querySelectorAll("#wan-key input, #wan-code input")].some((part) => part.value);

  // Shows the link under which another browser finds the same jobs. Its token stands behind the #, which is never sent to a server.
  function share(token) {
    const dialog = document.getElementById("wan-share");
    dialog.querySelector("input").value = linkOf(token);
    dialog.showModal();
    dialog.querySelector("input").select();
  }

  // Before the first look at the jobs: whoever came by a private link is asked whether it is meant, because what is made then belongs to it.
  async function claimed([mine, ...jobs]) {
    const theirs = location.hash.match(LINK)?.[1];
    if (theirs) history.replaceState(null, "", location.pathname + location.search);
    if (!theirs || theirs === mine) return [mine, ...jobs];
    const dialog = document.getElementById("wan-claim");
    if (!dialog) return [mine, ...jobs];
    dialog.querySelector(".wan-own-link").hidden = !mine;
    dialog.querySelector("input").value = linkOf(mine);
    dialog.returnValue = "stay";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    return dialog.returnValue === "use" ? [theirs, ...jobs.map(() => "")] : [mine, ...jobs];
  }

  // What was typed outlives a reload of this browser tab, which Gradio itself does when a connection was lost.
  const typed = (part) => `wan-typed-${part.closest("[id^=wan-]")?.id}`;
  const texts = () => document.querySelectorAll(".wan-brief textarea, .wan-brief input:is([type=text], :not([type]))");

  function keep(part) {
    try {
      if ([...texts()].includes(part)) sessionStorage.setItem(typed(part), part.value);
    } catch {} // a browser that keeps nothing forgets it
  }

  function restore() {
    try {
      for (const part of texts()) {
        const kept = sessionStorage.getItem(typed(part));
        if (!kept || part.value) continue;
        part.value = kept;
        part.dispatchEvent(new Event("input", { bubbles: true }));
      }
    } catch {}
  }

  // A key was typed, or taken out again: what the page says about money follows.
  function own(mine) {
    document.body.classList.toggle("wan-own", mine);
    return mine;
  }

  function connect(open = !document.body.classList.contains("wan-connecting")) {
    document.body.classList.toggle("wan-connecting", open);
    if (open) document.querySelector("#wan-connection input")?.focus();
  }

  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Gradio keeps its locale in a module of its own; it sets <html lang>, which the cards follow.
  async function speak(language) {
    const core = performance.getEntriesByType("resource").find(({ name }) => /\/assets\/core-[^/]+\.js$/.test(name));
    const { changeLocale } = await import(core.name);
    changeLocale(language);
  }

  function remember(language) {
    try {
      localStorage.setItem(STORED, language);
    } catch {} // a browser that keeps nothing asks again next time
  }

  function wanted() {
    const asked = new URLSearchParams(location.search).get("lang");
    try {
      return asked ?? localStorage.getItem(STORED);
    } catch {
      return asked;
    }
  }

  function insert(tile) {
    const box = tile.closest(".wan-brief")?.querySelector("[id$=-prompt] textarea");
    if (!box) return;
    const { selectionStart: from, selectionEnd: to, value } = box;
    const word = (from && !/\s$/.test(value.slice(0, from)) ? " " : "") + tile.dataset.insert + " ";
    box.setRangeText(word, from, to, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  }

  document.addEventListener("click", ({ target }) => {
    if (target.isConnected && !target.closest?.("#wan-connection, [data-connect], [role=listbox]")) connect(false);
    const button = target.closest?.("[data-press], [data-copy], [data-lang], [data-insert], [data-share], [data-link-copy], [data-connect]");
    if (!button) return;
    const { press: verb, copy, lang, insert: name } = button.dataset;
    if (verb) {
      const tab = TABS.find((one) => button.closest(`#wan-${one}-view`));
      button.disabled = true;
      if (verb === "watch") attach(tab);
      else press(tab, verb);
    } else if (copy) {
      navigator.clipboard?.writeText(copy).then(() => button.classList.add("copied"));
      setTimeout(() => button.classList.remove("copied"), 1500);
    } else if (lang) {
      remember(lang);
      speak(lang);
    } else if ("share" in button.dataset) document.getElementById("wan-share-press").click();
    else if ("connect" in button.dataset) connect();
    else if ("linkCopy" in button.dataset) navigator.clipboard?.writeText(button.form.querySelector("input").value);
    else if (name) insert(button);
  });

  document.addEventListener("keydown", ({ key }) => key === "Escape" && connect(false));
  addEventListener("hashchange", () => LINK.test(location.hash) && location.reload());
  document.addEventListener("input", ({ target }) => keep(target));
  setInterval(() => {
    TABS.forEach(look);
    entitle();
    name();
  }, 250);
  const boot = setInterval(() => {
    if (!document.querySelector("#wan-header .wan-header")) return;
    clearInterval(boot);
    const language = wanted();
    if (language && !document.documentElement.lang.startsWith(language)) speak(language);
  }, 30);

  return { arrived, started, share, claimed, own };
})();
