// The library: its parts show what the server gives; here stands what only a browser knows. Where
// somebody was before a job was opened, and when to look again at what is on its way. Which takes
// are chosen stands in `selection.js`.
window.wanLibrary = (() => {
  const { room, part, fire, hush, mark, choose, drop } = window.wanSelection;
  const LOOK = 2000; // ms between two looks at what is on its way
  const LINK = /^#video=([\w-]{20,22})$/; // the address of a job that is open
  const BEFORE = 5;
  const STEPS = { ArrowLeft: "previous", ArrowRight: "next" };
  const KEYS_OF_THEIR_OWN = "input, textarea, select, video, [contenteditable], [role=tablist]";
  let wanted = ""; // the job that shall be shown in place of the cards
  let opener = ""; // whose card gets the focus back
  let open = ""; // what is shown in place of the cards: "job", "board", or nothing
  let place = 0; // of that job, from 1; 0 where nobody knows it
  let stepped = false; // whether another job was shown there before it
  let sought = ""; // whose card gets the focus when the page with it has come
  let scrolled = 0;
  let returns = 0; // steps back in the history that were asked for here and have not been made yet
  let looked = 0; // when the last look was asked for
  let asked = 0; // looks so far
  let newest = 0; // the youngest of them that was answered; an older one may be answered after it
  let sight = {}; // the page, and the part of the library, that were asked for last
  // What is being typed as the name or project of a job; another may be shown meanwhile.
  let typed = null;
  let offered = ""; // what the work was last seen to show: "progress", or the address of a file
  let focused = { job: "", work: false }; // what had the focus last: a card, or part of the work

  const cardOf = (job) => (job ? part(`.wan-item[data-job="${CSS.escape(job)}"]`) : null);
  const isShown = () => !document.hidden && Boolean(room()?.checkVisibility());
  const tabOf = (name) => document.querySelector(`#wan-tabs [role=tab][data-tab-id=${name}]`);

  const show = (job) => fire("grid", "open", { job });
  const close = () => fire("detail", "close");

  const cards = () => ({ ...part("[data-cards]")?.dataset });
  const linked = () => location.hash.match(LINK)?.[1] ?? "";
  const pageAddress = () => location.pathname + location.search;

  // What is looked at, behind the other inputs of an event: the browser's token, and the filters.
  function withScope(given, number = "") {
    const { project, starred } = sight;
    return [...given.slice(0, BEFORE), JSON.stringify({ project, starred, number })];
  }

  // Whether a note stays: each but one that says why a look was refused.
  const keeping = () => (part("#wan-library-note [data-of-look]") ? "" : "1");

  function look(place = sight) {
    looked = performance.now();
    sight = place;
    fire("grid", "look", { ...sight, note: keeping(), number: `${++asked}` });
  }

  // Asks for what is shown once more.
  function refresh() {
    if (open !== "job") return look();
    looked = performance.now();
    fire("grid", "open", { job: wanted, look: "1", note: keeping() });
  }

  // A button asks for another page or part of the library. Before its component hears of the click,
  // that gets its number, and what was asked for last but has yet to be answered stays as it was.
  const count = ({ target }) => {
    const button = target.closest?.("#wan-library-room [data-event=look]");
    if (!button) return;
    const { changes } = button.dataset;
    if (changes === "project") say(button, "starred", sight.starred);
    if (changes === "starred") say(button, "project", sight.project);
    if (changes === "starred") say(button, "starred", sight.starred ? undefined : "1");
    button.dataset.number = ++asked;
    sight = { ...button.dataset };
  };
  document.addEventListener("click", count, { capture: true });

  function say({ dataset }, name, value) {
    if (value === undefined) delete dataset[name];
    else dataset[name] = value;
  }

  // A part was rendered anew: what was put on it here is put there again.
  const RENDERED = {
    grid: gridRendered,
    detail: detailRendered,
    work: workRendered,
    note: noteRendered,
    bar: mark,
  };
  document.addEventListener("wan-change", ({ target }) => {
    target.querySelectorAll("[data-gone]").forEach(({ dataset }) => drop(dataset.gone));
    if (!target.closest("#wan-library-room")) return;
    const name = target.closest("[id^=wan-library-]").id.replace("wan-library-", "");
    RENDERED[name]?.(target);
  });

  function gridRendered() {
    // For the first time; what was triggered before the part was put in, or meanwhile, is lost.
    const now = performance.now();
    if (!part("[data-cards]")) return setTimeout(() => looked <= now && selected(), 60);
    const number = Number(cards().number);
    newest = Math.max(newest, number);
    if (number && number < newest) return look();
    const active = document.activeElement;
    const job = active.closest(".wan-item")?.dataset.job;
    mark();
    if (sought && cardOf(sought)) focusCard(sought);
    else if (active.disabled) part("#wan-library-grid nav button:not(:disabled)")?.focus();
    else if (job && job !== focused.job) {
      const name = active.matches("[data-choose]") ? "[data-choose]" : "[data-event=open]";
      cardOf(focused.job)?.querySelector(name)?.focus(); // it stands elsewhere by now
    }
  }

  function focusCard(job) {
    sought = "";
    const card = cardOf(job);
    card.scrollIntoView({ block: "center" });
    card.querySelector("[data-event=open]").focus({ preventScroll: true });
  }

  // What is asked of the library may be on other pages too: the server says what is to be chosen.
  function noteRendered(box) {
    const picked = box.querySelector("[data-picked]")?.dataset;
    const all = (ids, video) => (ids ? ids.split(" ").map((id) => [id, video]) : []);
    if (picked) choose([...all(picked.picked, true), ...all(picked.others, false)], true);
    layNote();
    if (box.querySelector("[data-of-look]")) sight = cards(); // what was asked for is not shown
    const { ofOpen: refused } = box.querySelector("[data-of-open]")?.dataset ?? {};
    if (refused && refused === wanted) stay(refused);
  }

  // What is said of the job that is shown stands beside its fields, and is read out where it came.
  function layNote() {
    const note = part("#wan-library-note [data-note]");
    const job = part(".wan-job");
    const here = Boolean(job) && note?.dataset.ofJob === job.dataset.job;
    note?.parentElement.classList.toggle("wan-sr", here || !note.matches(".wan-bad"));
    job?.querySelector(".wan-note").replaceChildren(...(here ? [note.cloneNode(true)] : []));
  }

  // The job that was wanted cannot be shown: what is shown stays, with other neighbours.
  function stay(refused) {
    wanted = opener = part(".wan-job")?.dataset.job ?? "";
    if (wanted) name();
    else if (linked()) history.replaceState(null, "", pageAddress());
    if (wanted && wanted !== refused) refresh();
  }

  function detailRendered(box) {
    const shown = box.querySelector(".wan-job, [data-board]");
    const sign = box.querySelector("i[data-gone], i[data-went]")?.dataset ?? {};
    const { gone = "", went } = sign;
    const other = shown?.dataset.job ?? gone;
    // Somebody wanted something else meanwhile.
    const late = wanted ? other && other !== wanted : shown?.dataset.job;
    if (late) return wanted ? show(wanted) : close();
    if (gone) opener = besides(gone)?.dataset.job ?? "";
    const before = open;
    open = !shown ? "" : shown.dataset.job ? "job" : "board";
    if (open) room().dataset.shows = open;
    else delete room().dataset.shows;
    mark();
    if (other && other === madeFilm()) fire("work", "dismiss");
    if (shown) place = Number(shown.dataset.place) || 0;
    // One part shows the next job too, with what was written for the one before.
    for (const field of box.querySelectorAll("[data-label]"))
      field.value = typed && field === document.activeElement ? typed.text : field.defaultValue;
    layNote();
    if (open && !before) enter(box);
    else if (open === "job") rename(box);
    else if (before && !open) leave(before);
    if (gone && !opener) tabOf("library")?.focus({ preventScroll: true });
    if (went) depart(sign);
  }

  function besides(job) {
    const card = cardOf(job);
    return card?.nextElementSibling ?? card?.previousElementSibling;
  }

  // The film that the foot offers, until it is opened or somebody turns to another tab.
  const madeFilm = () => part("#wan-library-work [data-event=open]")?.dataset.job;

  // The address names the job that is open, so that it can be kept and given to oneself.
  function name() {
    if (linked() === wanted && history.state?.wan === "library") return;
    history.replaceState({ wan: "library" }, "", `#video=${wanted}`);
  }

  function rename(box) {
    name();
    const active = document.activeElement;
    if (active === document.body || active.disabled)
      box.querySelector("[data-step]:not(:disabled)")?.focus({ preventScroll: true });
  }

  function enter(box) {
    history.scrollRestoration = "manual"; // where to is ours to say
    stepped = false;
    // The browser's way back leads to the cards; there it is already after a reload, the browser's
    // way forward, or where somebody has typed the address.
    const there = history.state?.wan === "library" || (linked() && linked() === wanted);
    const address = open === "job" ? `#video=${wanted}` : pageAddress();
    history[there ? "replaceState" : "pushState"]({ wan: "library" }, "", address);
    const target = box.querySelector("[data-compare]") ?? box.querySelector("[data-event=close]");
    target.focus({ preventScroll: true });
    document.getElementById("wan-tabs").scrollIntoView({ block: "start" });
  }

  function leave(before) {
    wanted = "";
    scrollTo({ top: scrolled });
    const way = before === "board" ? part("[data-event=compare]") : null;
    const card = cardOf(opener);
    if (card && stepped) focusCard(opener);
    else (card?.querySelector("[data-event=open]") ?? way)?.focus({ preventScroll: true });
    if (before === "job" && opener && !card && place) lookFor(opener);
    else look();
    if (history.state?.wan !== "library") return;
    returns += 1;
    history.back();
  }

  // The page on which a job stands.
  function lookFor(job) {
    const { limit = 1 } = cards();
    sought = job;
    look({ ...sight, until: cards().until, offset: `${Math.floor((place - 1) / limit) * limit}` });
  }

  addEventListener("popstate", () => {
    const job = linked();
    if (returns) {
      returns -= 1;
      if (job && !open) history.replaceState(null, "", pageAddress());
    } else if (job) visit(job);
    else if (open && history.state?.wan !== "library") close();
  });

  // Opens the job of an address; where the tab has yet to be put on the page, it does when it is.
  function visit(job) {
    wanted = opener = job;
    if (isShown()) show(job);
    else window.wanStudio.turn("library");
  }

  // The page was opened: at the address of a job, or not.
  function arrive() {
    const job = linked();
    if (job && history.state?.wan !== "library") history.replaceState(null, "", pageAddress());
    if (job) visit(job);
    return Boolean(job);
  }

  // Somebody has turned to this tab.
  function selected() {
    look();
    if (wanted && open !== "board") show(wanted);
    if (open === "job") name();
  }

  // Somebody is taken to a tab. again: the job that is shown there shall be made once more; else
  // its form has been filled. continues: for the next shot. fresh: for new takes of the job.
  function depart({ went: tab, job, again, fresh, continues }) {
    scrollTo({ top: 0 });
    tabOf(tab)?.focus({ preventScroll: true });
    window.wanForms.newTake(tab, fresh === undefined ? "" : job);
    if (fresh !== undefined) window.wanStudio.toGenerate(tab);
    else if (continues !== undefined) window.wanStudio.selectPrompt(tab);
    else if (again !== undefined) window.wanStudio.takeAgain(tab, job);
    else window.wanStudio.started(tab, job);
  }

  function workRendered(box) {
    const link = box.querySelector("a[download]");
    const now = box.querySelector("progress") ? "progress" : (link?.href ?? "");
    if (now === offered) return;
    if (offered === "progress") look(); // something may be gone
    offered = now;
    mark();
    const active = document.activeElement;
    const lost = active === document.body || active.disabled || box.contains(active);
    const next = box.querySelector("a, button") ?? part("[data-event=join]");
    if (focused.work && lost) next?.focus();
    if (link && "atOnce" in link.dataset) link.click();
  }

  document.addEventListener("focusin", ({ target }) => {
    const job = target.closest(".wan-item")?.dataset.job ?? "";
    focused = { job, work: target.closest("#wan-library-work, .wan-chosen") !== null };
    typed = null;
  });

  document.addEventListener("click", ({ target }) => {
    // The address is that of what is looked at.
    const turned = target.closest?.("#wan-tabs [role=tab]");
    if (turned && turned.dataset.tabId !== "library") {
      if (linked()) history.replaceState(history.state, "", pageAddress());
      if (madeFilm()) fire("work", "dismiss");
    }
    const button = target.closest?.("#wan-library-room :is([data-event], [data-act])");
    if (!button) return;
    const { event, act, job } = button.dataset;
    hush();
    sought = "";
    if (!open) scrolled = scrollY;
    if (event === "open") wanted = opener = job;
    else if (event === "compare") wanted = opener = "";
    else if (event === "look") room().scrollIntoView({ block: "start" });
    else if (event === "delete" && !open) ask(false);
    else if (act === "step") step(job);
    else if (act) ask(act === "ask");
    // One part of the library listens, wherever the button stands.
    const to = { open: "grid", join: "bar" }[event];
    if (to && !button.closest(`#wan-library-${to}`)) fire(to, event, { ...button.dataset });
  });

  // The question before something is deleted.
  function ask(asks) {
    const box = part(open ? ".wan-job" : ".wan-chosen");
    box.querySelector(".wan-ask").hidden = !asks;
    box.querySelector(`[data-act=${asks ? "keep" : "ask"}]`).focus({ preventScroll: !open });
  }

  // The job before or after the one that is shown.
  function step(job) {
    wanted = opener = job;
    stepped = true;
    show(job);
  }

  // A name or a project is kept as soon as somebody is done with it.
  document.addEventListener("change", ({ target }) => {
    const { label, job } = target.dataset;
    if (label) fire("detail", "annotate", { job: typed?.job ?? job, [label]: target.value });
    typed = null;
  });

  // Out of any project leads a button of its own, not a field that is empty.
  document.addEventListener("input", ({ target }) => {
    const { label, job } = target.dataset;
    if (label) typed = { job: typed?.job ?? job, text: target.value };
    if (!("move" in target.dataset)) return;
    const { dataset } = part(".wan-move [data-event=move]");
    if (target.value.trim()) dataset.project = target.value;
    else delete dataset.project;
    mark();
  });

  // What was typed last is taken back, or a question, or what is shown.
  function escape(field) {
    if ("label" in field.dataset && typed) [field.value, typed] = [field.defaultValue, null];
    else if (part(`${open ? ".wan-job" : ".wan-chosen"} .wan-ask:not([hidden])`)) ask(false);
    else if (open) close();
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (!isShown() || document.querySelector("dialog[open]")) return;
    const { key, target, ctrlKey, metaKey, altKey, shiftKey } = event;
    if (key === "Escape") escape(target);
    else if (open !== "job" || !STEPS[key] || ctrlKey || metaKey || altKey || shiftKey) return;
    else if (!target.closest(KEYS_OF_THEIR_OWN)) part(`[data-step=${STEPS[key]}]`).click();
  });

  setInterval(() => {
    if (!isShown() || performance.now() - looked < LOOK) return;
    if (open ? !part(".wan-job[data-going]") : part('[data-cards][data-going="0"]')) return;
    refresh();
  }, 500);

  return {
    look: () => look(),
    refresh,
    selected,
    withScope,
    arrive,
    filtered(given) {
      looked = performance.now(); // a look at the page that was shown before would come after it
      sight = { project: sight.project, starred: sight.starred };
      return withScope(given, `${++asked}`);
    },
  };
})();
