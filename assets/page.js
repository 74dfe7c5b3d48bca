// What the server does not say: it sends a card when something changes; here the clock ticks, buttons in cards reach Gradio, the forms are taken along to
// the page in the other language, and a view whose stream has gone silent is taken up again.
window.wanStudio = (() => {
  const TABS = ["image", "reference"];
  const QUIET = 30_000; // ms without a sign of life, after which a live view is taken up again: its stream may have ended without a word
  const DEAD = 10_000; // ms after that, when only opening the page anew helps: Gradio takes a stream that a proxy has ended for an open one
  const CARRIED = "wan-carried";
  const PLACE = "wan-tab";
  const LINK = /^#jobs=([\w-]{32,})$/;
  const ENDS = { SUCCEEDED: "✓ ", FAILED: "✕ ", CANCELLED: "✕ ", EXPIRED: "✕ " };
  const unfolded = new Set(); // ids of the jobs whose details somebody looks at
  const starts = new Map(); // clock -> when it began, in ms of this browser's own clock
  const seen = new Map(); // tab -> the card shown and when it came

  const view = (tab) => document.querySelector(`#wan-${tab}-view .wan-view`);
  // Triggers an event of the component that a part belongs to (`wan/ui/components/component.js`).
  const fire = (part, event, values) => part?.dispatchEvent(new CustomEvent("wan", { bubbles: true, detail: { event, ...values } }));
  const asClock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  // What was written stands in an attribute, and with that it is compared. With the text a fight would have no end where somebody else writes that too:
  // a translator, or whatever puts digits into another script. Gradio takes the attribute away where it writes the text anew.
  function write(part, words) {
    if (part.dataset.written === words) return; // `again` would see it
    part.dataset.written = words;
    part.textContent = words;
  }

  function tick(shown) {
    for (const details of shown.querySelectorAll("[data-details]")) {
      if (details.open !== unfolded.has(details.dataset.details)) details.open = !details.open;
    }
    for (const clock of shown.querySelectorAll("[data-clock]")) {
      const { clock: name, elapsed, expected } = clock.dataset;
      if (!starts.has(name)) starts.set(name, performance.now() - elapsed * 1000);
      const seconds = (performance.now() - starts.get(name)) / 1000;
      const [now, words] = [clock.querySelector("b"), asClock(seconds)];
      write(now, words);
      if (!Number(expected)) continue;
      const holder = clock.closest(".wan-take, .wan-view");
      const made = Math.min(seconds / expected, 0.96).toFixed(2);
      if (holder.style.getPropertyValue("--made") !== made) holder.style.setProperty("--made", made);
      if (holder.classList.contains("late") !== seconds > Number(expected)) holder.classList.toggle("late");
    }
  }

  // A click on its summary, before the browser does what it does then.
  function fold({ open, dataset }) {
    if (open) unfolded.delete(dataset.details);
    else unfolded.add(dataset.details);
  }

  // When one take changes, Gradio mends the others too, and takes away what was put on them here: it is put back before anybody sees that.
  const mended = new WeakSet();
  const again = new MutationObserver(() => TABS.map(view).forEach((shown) => shown && tick(shown)));

  function keepMended(tab) {
    const holder = document.getElementById(`wan-${tab}-view`);
    if (mended.has(holder)) return;
    mended.add(holder);
    again.observe(holder, { subtree: true, childList: true, attributes: true, attributeFilter: ["style", "class", "open"] });
  }

  function announce(shown) {
    const said = [...shown.querySelectorAll(".wan-title, .wan-say")].map((part) => part.textContent.trim()).join(". ");
    const announcer = document.getElementById("wan-announcer");
    if (announcer && said && announcer.textContent !== said) announcer.textContent = said;
  }

  // The browser's tab says what the page would: what is going on in it, or how it ended.
  let title = "";
  function entitle() {
    const views = TABS.map(view).filter((one) => one && one.dataset.state !== "IDLE");
    const newest = TABS.filter((tab) => views.includes(view(tab))).sort((a, b) => (seen.get(b)?.at ?? 0) - (seen.get(a)?.at ?? 0))[0];
    const shown = views.find((one) => "live" in one.dataset) ?? (newest && view(newest));
    const words = shown?.querySelector(".wan-title")?.textContent;
    const now = words ? `${ENDS[shown.dataset.state] ?? ""}${words} · Wan Studio` : "Wan Studio";
    if (now !== title) document.title = title = now; // once: it may be translated
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
    const clocks = [...shown.querySelectorAll("[data-clock]")].flatMap(({ dataset }) => [dataset.clock, dataset.elapsed]);
    const card = [shown.dataset.state, ...clocks, ...[...shown.querySelectorAll(".wan-say, .wan-take-say")].map((part) => part.textContent)].join();
    const state = shown.dataset.told ?? shown.dataset.state; // of several takes: how many have ended
    if (last?.card !== card) {
      if (last && last.state !== state) announce(shown);
      seen.set(tab, { card, state, at: performance.now(), retaken: 0 });
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
    keepMended(tab);
    tick(shown);
  }

  // Takes the tab's job up again; an older stream of it is let go first.
  function attach(tab) {
    fire(view(tab), "quiet");
    setTimeout(() => fire(view(tab), "watch"), 150);
  }

  // The page was opened, and shows every job as it was at that moment: what is on its way is followed from there.
  function arrived(forms) {
    const filled = carried();
    restore();
    back(Boolean(filled));
    setTimeout(() => TABS.filter((tab) => "live" in (view(tab)?.dataset ?? {})).forEach(attach), 60);
    return filled?.length === forms.length ? filled : forms.map(() => ({ __type__: "update" }));
  }

  // Does something as soon as it can be done: a tab is put on the page when somebody first turns to it, which may take long on a slow line.
  function when(there, then, tries = 600) {
    if (there()) then();
    else if (tries) setTimeout(() => when(there, then, tries - 1), 50);
  }

  const shows = (tab, job) => Boolean(view(tab)?.closest("[data-listens]")) && (!job || view(tab).dataset.of === job);

  // After Generate or a retry, or when somebody is taken to a job: look at what came of it. job: its id, "" for whatever is shown.
  function started(tab, job = "") {
    const look = () => {
      if ("live" in view(tab).dataset) attach(tab);
      if (innerWidth < 900) document.getElementById(`wan-${tab}-view`).scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    };
    setTimeout(() => when(() => shows(tab, job), look), 60);
  }

  // What was asked of a video is answered under the form, where Generate or the window's edge may hide it.
  const answered = () =>
    setTimeout(() => [...document.querySelectorAll(".wan-brief .wan-found")].find((one) => one.checkVisibility())?.scrollIntoView({ block: "nearest" }), 60);

  // Makes a job once more when its tab shows it, and never another one that is shown there by then.
  const takeAgain = (tab, job) => job && when(() => shows(tab, job), () => act(tab, "retry", job));

  // Buttons of cards, one after the other: each works on what the one before has made of the stage, and none is lost.
  const waiting = new Map(TABS.map((tab) => [tab, []]));
  const LOST = 30_000; // ms after which an answer does not come any more: longer than the server waits for its database

  function act(tab, verb, job) {
    const line = waiting.get(tab);
    if (line.some((one) => one.verb === verb && one.job === job)) return;
    line.push({ verb, job });
    if (line.length === 1) go(tab);
  }

  function go(tab) {
    const first = waiting.get(tab)[0];
    if (!first) return;
    fire(view(tab), first.verb, { job: first.job });
    setTimeout(() => waiting.get(tab)[0] === first && acted(tab, first.verb), LOST);
  }

  // verb: what was answered; an answer that comes after all ends no other's turn.
  function acted(tab, verb) {
    if (waiting.get(tab)[0]?.verb !== verb) return;
    waiting.get(tab).shift();
    setTimeout(() => go(tab), 60);
  }

  // After a button that ended the stream: what still goes on is followed again.
  function changed(tab, verb) {
    acted(tab, verb);
    setTimeout(() => "live" in (view(tab)?.dataset ?? {}) && attach(tab), 60);
  }

  // A cancel leaves the stream as it is, but of several takes its answer may come after the stream's last word, and be older.
  const cancelled = (tab, verb) => (view(tab)?.querySelector(".wan-take") ? changed : acted)(tab, verb);

  function retried(tab, verb) {
    if (view(tab)?.querySelector(".wan-take")) return changed(tab, verb);
    acted(tab, verb);
    started(tab);
  }

  const turn = (tab) => document.querySelector(`#wan-tabs [role=tab][data-tab-id=${tab}]`)?.click();

  // Hands takes to the library, which compares and reviews. jobs: their ids. verb: "compare" or "review".
  function choose(jobs, verb) {
    turn("library");
    const there = () => document.querySelector("#wan-library-bar [data-listens]")?.checkVisibility();
    when(there, () => window.wanLibrary.choose([jobs].flat().join(" ").split(" "), verb));
  }

  // A reload, or the other language, leads back to the tab that was looked at.
  function stay(tab) {
    try {
      sessionStorage.setItem(PLACE, tab);
    } catch {} // a browser that keeps nothing begins at the first
  }

  function back(switched) {
    try {
      const kept = sessionStorage.getItem(PLACE);
      if (kept && (switched || performance.getEntriesByType("navigation")[0]?.type === "reload")) turn(kept);
    } catch {}
  }

  const linkOf = (token) => `${new URL("./", document.baseURI)}#jobs=${token}`; // whoever opens it reads their own language
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
    return mine ? "yes" : "";
  }

  function connect(open = !document.body.classList.contains("wan-connecting")) {
    document.body.classList.toggle("wan-connecting", open);
    if (open) document.querySelector("#wan-connection input")?.focus();
  }

  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // To the page in the other language, where the forms are filled as they are here. A key and a code are kept nowhere: where one was typed, the link asks first.
  let way = "";
  function leave(link) {
    way = link.href + location.hash;
    const [dialog, press] = [document.getElementById("wan-switch"), () => fire(link, "carry")];
    if (!dialog || !keyTyped()) return press();
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => dialog.returnValue === "go" && press(), { once: true });
  }

  function carry(forms) {
    try {
      sessionStorage.setItem(CARRIED, JSON.stringify(forms));
    } catch {} // a browser that keeps nothing begins anew
    location.assign(way);
  }

  // What was taken along, once; null for whoever came another way.
  function carried() {
    try {
      const forms = JSON.parse(sessionStorage.getItem(CARRIED));
      sessionStorage.removeItem(CARRIED);
      return forms;
    } catch {
      return null;
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

  // Browsers have a clipboard in a secure context only, and plain http at an address of the network is none. There the older way stands in, for the
  // copy buttons of Gradio too.
  async function copyByHand(text) {
    const focused = document.activeElement;
    const box = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "wan-sr" });
    (document.querySelector("dialog[open]") ?? document.body).append(box); // outside an open dialog nothing can be selected
    box.focus({ preventScroll: true });
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    focused?.focus({ preventScroll: true });
    if (!done) throw new DOMException("Nothing was copied", "NotAllowedError");
  }
  if (!navigator.clipboard) Object.defineProperty(navigator, "clipboard", { value: { writeText: copyByHand } });

  // What cannot be copied is selected, so that somebody can do it themselves.
  function select(part) {
    part.focus();
    if (part.select) part.select();
    else getSelection().selectAllChildren(part);
  }

  let told = 0;
  async function copy(button) {
    const part = button.closest("form, .wr-link, .wan-task").querySelector("input, code");
    window.wanReview.complete(); // a link that was put in just now
    const text = part.value ?? part.textContent;
    const done = await navigator.clipboard
      .writeText(text)
      .catch(() => copyByHand(text))
      .then(() => true)
      .catch(() => select(part));
    const said = button.nextElementSibling;
    const show = (name) => [...said.children].forEach((one) => (one.hidden = !(name in one.dataset)));
    show(done ? "copied" : "selected");
    clearTimeout(told);
    told = setTimeout(show, done ? 2500 : 6000, "");
  }

  // How far an upload is, where Gradio shows its name, and a way to stop it.
  function followed(way) {
    const line = document.querySelector("#wan-upload > div").cloneNode(true);
    const [{ lastChild: bar }, words, stop] = line.children;
    stop.addEventListener("click", () => way.abort());
    return ({ loaded, total }) => {
      const boxes = [...document.querySelectorAll(".uploading")].map((one) => one.parentElement);
      if (!line.isConnected) boxes.find((box) => !box.querySelector(".wan-upload"))?.append(line);
      bar.value = loaded / total;
      words.textContent = `${(loaded / 1e6).toFixed(1)} / ${(total / 1e6).toFixed(1)} MB`;
    };
  }

  // Gradio shows a refusal as it came: of the JSON that is its sentence, and the list of files is left as it is.
  function sentence(text) {
    try {
      return JSON.parse(text).detail || text;
    } catch {
      return text; // a proxy's
    }
  }

  // What Gradio sends by fetch cannot be stopped, and its server tells it nothing before the whole is there: files go by the older way.
  function upload(address, { body, headers = {} }) {
    const way = new XMLHttpRequest();
    return new Promise((answer, fail) => {
      way.upload.addEventListener("progress", followed(way));
      way.addEventListener("load", () => answer(new Response(sentence(way.responseText), { status: way.status })));
      way.addEventListener("abort", () => answer(new Response("[]"))); // no files; anything else Gradio would show as an error
      way.addEventListener("error", () => fail(new TypeError("Failed to fetch")));
      way.open("POST", address);
      way.setRequestHeader("Accept-Language", document.documentElement.lang);
      Object.entries(headers).forEach(([name, value]) => way.setRequestHeader(name, value));
      way.send(body);
    });
  }

  const fetched = window.fetch;
  window.fetch = (address, options) =>
    /\/gradio_api\/upload(\?|$)/.test(address) && options?.body instanceof FormData ? upload(address, options) : fetched(address, options);

  document.addEventListener("click", ({ target }) => {
    if (target.isConnected && !target.closest?.("#wan-connection, [data-connect], [role=listbox]")) connect(false);
    if (target.closest?.("#wan-tabs [role=tab]")) stay(target.closest("[role=tab]").dataset.tabId);
    if (target.closest?.("[data-details] > summary")) fold(target.closest("[data-details]"));
    const button = target.closest?.("[data-press], [data-choose], [data-copy], [data-insert], [data-connect]");
    if (!button) return;
    const { press: verb, job = "", choose: how, jobs, insert: name } = button.dataset;
    if (verb) {
      const tab = TABS.find((one) => button.closest(`#wan-${one}-view`));
      button.disabled = true;
      if (verb === "watch") attach(tab);
      else act(tab, verb, job);
    } else if (how) {
      choose(jobs, how);
    } else if ("copy" in button.dataset) copy(button);
    else if ("connect" in button.dataset) connect();
    else if (name) insert(button);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".wan-lang a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !link.closest("[data-listens]")) return;
    event.preventDefault();
    if (!link.ariaCurrent) leave(link);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("wan-connecting")) return;
    event.preventDefault(); // this Escape has done its work
    connect(false);
  });
  addEventListener("hashchange", () => LINK.test(location.hash) && location.reload());
  document.addEventListener("input", ({ target }) => keep(target));
  setInterval(() => {
    TABS.forEach(look);
    entitle();
    standIn();
    document.querySelectorAll("[class*=wan-of-] textarea").forEach(measure);
  }, 250);
  // How long a text is as the service counts it: signs of Unicode, a line end being one. A sample fills it without an event, so it is looked at.
  function measure(part) {
    const [box, signs] = [part.closest("[class*=wan-of-]"), [...part.value.replace(/\r\n?/g, "\n")].length];
    const most = Number(/wan-of-(\d+)/.exec(box.className)[1]);
    const said = signs ? `${signs} / ${most}` : "";
    if (box.dataset.signs !== said) box.dataset.signs = said;
    if (box.classList.contains("wan-over") !== signs > most) box.classList.toggle("wan-over");
  }

  // Gradio takes for a picture what the system calls one by its name. What a file is, its content says, and the app looks into it.
  const PICTURE = "#wan-image-reference_image";
  const isOdd = ({ type }) => !/^(image|video)\//.test(type);
  const asPictures = (files) => {
    const all = new DataTransfer();
    for (const file of files) all.items.add(isOdd(file) ? new File([file], file.name, { type: "image/unknown" }) : file);
    return all;
  };
  // A browser shows no HEIC: what the stage shows of it stands in.
  function standIn() {
    const [given, shown] = [document.querySelector(`${PICTURE} img`), document.querySelector("#wan-image-view .preview img")];
    if (!given?.complete || !shown || (given.naturalWidth && given.src !== given.standIn)) return;
    if (given.src !== shown.src) given.src = given.standIn = shown.src;
  }
  addEventListener(
    "change",
    ({ target }) => {
      if (target.matches?.(`${PICTURE} input[type=file]`) && [...target.files].some(isOdd)) target.files = asPictures(target.files).files;
    },
    true,
  );
  addEventListener(
    "drop",
    (event) => {
      const files = [...(event.dataTransfer?.files ?? [])];
      if (!event.target.closest?.(PICTURE) || !files.some(isOdd)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      event.target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: asPictures(files) }));
    },
    true,
  );

  return { arrived, started, answered, takeAgain, changed, cancelled, retried, turn, choose, share, claimed, own, carry };
})();
