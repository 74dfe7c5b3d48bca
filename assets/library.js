// The library: its parts show what the server gives; here stands what only a browser knows. Which
// takes are chosen, where somebody was before a job was opened, dates as they are written here, and
// when to look again at what is on its way.
window.wanLibrary = (() => {
  const LOOK = 2000; // ms between two looks at what is on its way
  let chosen = []; // ids, in the order of choosing
  let wanted = ""; // the job that shall be shown in place of the cards
  let opener = ""; // whose card gets the focus back
  let open = ""; // what is shown in place of the cards: "job", "board", or nothing
  let scrolled = 0;
  let returns = 0; // steps back in the history that were asked for here and have not been made yet
  let looked = 0; // when the last look was asked for
  let offered = ""; // what the work was last seen to show: "progress", or the address of a file
  let focused = { job: "", work: false }; // what had the focus last: a card, or part of the work

  const room = () => document.getElementById("wan-library-room");
  const part = (selector) => room()?.querySelector(selector);
  const cardOf = (job) => (job ? part(`.wan-item[data-job="${CSS.escape(job)}"]`) : null);
  const isShown = () => !document.hidden && Boolean(room()?.checkVisibility());
  const tabOf = (name) => document.querySelector(`#wan-tabs [role=tab][data-tab-id=${name}]`);

  // Triggers an event of a component (`wan/ui/components/component.js`).
  const fire = (name, event, values) =>
    window.wan.fire(part(`#wan-library-${name} [data-listens]`), event, values);

  const show = (job) => fire("grid", "open", { job });
  const close = () => fire("detail", "close");

  const place = () => ({ ...part("[data-cards]")?.dataset });

  function look() {
    looked = performance.now();
    fire("grid", "look", place());
  }

  // A part was rendered anew: what was put on it here is put there again.
  const RENDERED = { grid: gridRendered, detail: detailRendered, work: workRendered, bar: mark };
  document.addEventListener("wan-change", ({ target }) => {
    target.querySelectorAll("[data-gone]").forEach(({ dataset }) => drop(dataset.gone));
    if (!target.closest("#wan-library-room")) return;
    const name = target.closest("[id^=wan-library-]").id.replace("wan-library-", "");
    RENDERED[name]?.(target);
  });

  function gridRendered() {
    // For the first time; what is triggered while a part is put in is lost.
    if (!part("[data-cards]")) return setTimeout(look, 60);
    const active = document.activeElement;
    const job = active.closest(".wan-item")?.dataset.job;
    mark();
    if (active.disabled) part("#wan-library-grid nav button:not(:disabled)")?.focus();
    else if (job && job !== focused.job) {
      const name = active.matches("[data-choose]") ? "[data-choose]" : "[data-event=open]";
      cardOf(focused.job)?.querySelector(name)?.focus(); // it stands elsewhere by now
    }
  }

  function mark() {
    window.wan.date(room().querySelectorAll("time"));
    for (const card of room().querySelectorAll(".wan-item")) {
      const number = chosen.indexOf(card.dataset.job);
      const box = card.querySelector("[data-choose]");
      card.classList.toggle("chosen", number >= 0);
      if (!box) continue;
      box.checked = number >= 0;
      box.nextElementSibling.textContent = number >= 0 ? number + 1 : "";
    }
    const bar = part(".wan-chosen");
    if (!bar) return;
    bar.hidden = !chosen.length;
    bar.querySelector("b").textContent = chosen.length;
    for (const [verb, [low, high]] of Object.entries(JSON.parse(bar.dataset.needed))) {
      const busy = verb === "join" && part("#wan-library-work progress") !== null;
      const fits = chosen.length >= low && chosen.length <= high;
      bar.querySelector(`[data-event="${verb}"]`).disabled = busy || !fits;
    }
  }

  function choose(ids) {
    chosen = ids;
    mark();
    fire("bar", "choose");
  }

  // What is not there any more is chosen no longer.
  function drop(gone) {
    const left = chosen.filter((id) => !gone.split(" ").includes(id));
    if (left.length < chosen.length) choose(left);
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
    // One part shows the next job too, with what was written for the one before.
    for (const field of box.querySelectorAll("[data-label]"))
      if (field !== document.activeElement) field.value = field.defaultValue;
    if (open && !before) enter(box);
    else if (before && !open) leave(before);
    if (gone && !opener) tabOf("library")?.focus({ preventScroll: true });
    if (went) depart(sign);
  }

  function besides(job) {
    const card = cardOf(job);
    return card?.nextElementSibling ?? card?.previousElementSibling;
  }

  function enter(box) {
    history.scrollRestoration = "manual"; // where to is ours to say
    history.pushState({ wan: "library" }, ""); // the browser's way back leads to the cards
    const target = box.querySelector("[data-compare]") ?? box.querySelector("[data-event=close]");
    target.focus({ preventScroll: true });
    document.getElementById("wan-tabs").scrollIntoView({ block: "start" });
  }

  function leave(before) {
    wanted = "";
    scrollTo({ top: scrolled });
    const way = before === "board" ? part("[data-event=compare]") : null;
    (cardOf(opener)?.querySelector("[data-event=open]") ?? way)?.focus({ preventScroll: true });
    look();
    if (history.state?.wan !== "library") return;
    returns += 1;
    history.back();
  }

  addEventListener("popstate", () => {
    if (returns) returns -= 1;
    else if (open && history.state?.wan !== "library") close();
  });

  // Somebody is taken to a tab. again: the job that is shown there shall be made once more.
  // continues: its form has been filled for the next shot.
  // fresh: it has been filled for new takes of the job.
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
    focused = { job, work: target.closest("#wan-library-work, [data-event=join]") !== null };
  });

  // A refusal stays until the next step.
  const hush = () => part("#wan-library-refusal [data-note]") && fire("refusal", "hush");

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("#wan-library-room :is([data-event], [data-act])");
    if (!button) return;
    const { event, act, job } = button.dataset;
    hush();
    if (!open) scrolled = scrollY;
    if (event === "open") wanted = opener = job;
    else if (event === "compare") wanted = opener = "";
    else if (event === "look") room().scrollIntoView({ block: "start" });
    else if (act) ask(act === "ask");
  });

  // The question before a job is deleted.
  function ask(asks) {
    part(".wan-ask").hidden = !asks;
    part(asks ? "[data-act=keep]" : "[data-act=ask]").focus();
  }

  document.addEventListener("change", ({ target }) => {
    if (!target.matches?.("#wan-library [data-choose]")) return;
    const { job } = target.closest(".wan-item").dataset;
    hush();
    choose(target.checked ? [...chosen, job] : chosen.filter((id) => id !== job));
  });

  // A name or a project is kept as soon as somebody is done with it.
  document.addEventListener("change", ({ target }) => {
    const { label, job } = target.dataset;
    if (label) fire("detail", "annotate", { job, [label]: target.value });
  });

  document.addEventListener("input", ({ target }) => {
    if ("move" in target.dataset) part("[data-event=move]").dataset.project = target.value;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !open || !isShown()) return;
    if (document.querySelector("dialog[open]")) return;
    if (part(".wan-ask:not([hidden])")) ask(false);
    else close();
  });

  setInterval(() => {
    if (!isShown() || performance.now() - looked < LOOK) return;
    if (open ? !part(".wan-job[data-going]") : part('[data-cards][data-going="0"]')) return;
    looked = performance.now();
    if (open) show(wanted);
    else look();
  }, 500);

  return {
    look,
    chosen: () => chosen.join(" "),
    choose(ids, verb) {
      choose(ids);
      part(`.wan-chosen [data-event="${verb}"]`)?.click();
    },
    clear() {
      chosen = [];
      mark();
      part("[data-choose]")?.focus({ preventScroll: true });
      return "";
    },
    filtered(given) {
      looked = performance.now(); // a look at the page that was shown before would come after it
      const { project, starred } = place();
      return given.with(-1, JSON.stringify({ project, starred }));
    },
    forget(html) {
      for (const [, gone] of html.matchAll(/data-gone="([^"]*)"/g)) drop(gone);
    },
  };
})();
