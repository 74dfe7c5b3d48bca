// Which takes are chosen in the library: what only a browser knows of its cards, and dates as they
// are written here.
window.wanSelection = (() => {
  let chosen = new Map(); // ids, in the order of choosing -> whether there is a video
  let anchor = null; // the card that was chosen last, from where Shift chooses as far as another
  let ranges = false; // whether Shift was held

  const room = () => document.getElementById("wan-library-room");
  const part = (selector) => room()?.querySelector(selector);

  // Triggers an event of a component (`wan/ui/components/component.js`).
  const fire = (name, event, values) =>
    window.wan.fire(part(`#wan-library-${name} [data-listens]`), event, values);

  // A refusal stays until the next step.
  const hush = () => part("#wan-library-refusal [data-note]") && fire("refusal", "hush");

  function mark() {
    window.wan.date(room().querySelectorAll("time"));
    const order = [...chosen.keys()];
    for (const card of room().querySelectorAll(".wan-item")) {
      const number = order.indexOf(card.dataset.job);
      const box = card.querySelector("[data-choose]");
      card.classList.toggle("chosen", number >= 0);
      if (!box) continue;
      box.checked = number >= 0;
      box.nextElementSibling.textContent = number >= 0 ? number + 1 : "";
    }
    markAll();
    const bar = part(".wan-chosen");
    if (!bar) return;
    bar.hidden = !chosen.size;
    if (!chosen.size) bar.querySelector(".wan-ask").hidden = true;
    bar.querySelectorAll("b").forEach((count) => (count.textContent = chosen.size));
    const videos = [...chosen.values()].filter(Boolean).length;
    const works = part("#wan-library-work progress") !== null;
    for (const [verb, [low, high]] of Object.entries(JSON.parse(bar.dataset.needed))) {
      const count = ["move", "delete"].includes(verb) ? chosen.size : videos;
      const busy = works && !["compare", "move"].includes(verb);
      for (const button of bar.querySelectorAll(`[data-event=${verb}], [data-verb=${verb}]`)) {
        const { project } = button.dataset;
        const lacks = verb === "move" && (project === undefined || (!project && areUnfiled(order)));
        button.disabled = busy || lacks || count < low || count > high;
      }
    }
  }

  // Whether jobs are known to be in no project: of those on other pages nobody knows it here.
  const areUnfiled = (jobs) =>
    jobs.every((job) => part(`.wan-item[data-job="${CSS.escape(job)}"]:not([data-filed])`));

  function markAll() {
    const boxes = [...room().querySelectorAll("#wan-library [data-choose]")];
    const [all, every] = [part("[data-all]"), part("[data-event=choose_all]")];
    if (!all) return;
    const checked = boxes.filter((box) => box.checked).length;
    all.disabled = !boxes.length;
    all.checked = boxes.length > 0 && checked === boxes.length;
    all.indeterminate = checked > 0 && checked < boxes.length;
    every.hidden = !all.checked || !("more" in every.dataset);
  }

  // How many can be chosen: more would be too long for an event.
  const most = () => JSON.parse(part(".wan-chosen")?.dataset.needed ?? "{}").delete?.[1];

  // entries: ids, each with whether there is a video. adds: whether those that are chosen already
  // stay so.
  function choose(entries, adds = false) {
    const all = new Map(adds ? [...chosen, ...entries] : entries);
    chosen = new Map([...all].slice(0, most()));
    mark();
    fire("bar", "choose");
  }

  function pick(picked, wants) {
    hush();
    const entries = picked.map(({ dataset }) => [dataset.job, dataset.state === "SUCCEEDED"]);
    const ids = new Map(entries);
    if (wants) choose(entries, true);
    else choose([...chosen].filter(([id]) => !ids.has(id)));
  }

  // The cards from one to another that can be chosen.
  function between(one, other) {
    const all = [...room().querySelectorAll(".wan-item:has([data-choose])")];
    const [from, to] = [all.indexOf(one), all.indexOf(other)].sort((a, b) => a - b);
    return from < 0 ? [other] : all.slice(from, to + 1);
  }

  // What is not there any more is chosen no longer.
  function drop(gone) {
    const left = [...chosen].filter(([id]) => !gone.split(" ").includes(id));
    if (left.length < chosen.size) choose(left);
  }

  document.addEventListener("click", ({ target, shiftKey }) => {
    if (target.matches?.("#wan-library [data-choose]")) ranges = shiftKey;
  });

  document.addEventListener("change", ({ target }) => {
    if (target.matches?.("#wan-library [data-all]"))
      return pick([...room().querySelectorAll(".wan-item:has([data-choose])")], target.checked);
    if (!target.matches?.("#wan-library [data-choose]")) return;
    const card = target.closest(".wan-item");
    pick(ranges && anchor ? between(anchor, card) : [card], target.checked);
    [anchor, ranges] = [card, false];
  });

  return {
    room,
    part,
    fire,
    hush,
    mark,
    choose,
    drop,
    chosen: () => [...chosen.keys()].join(" "),
    // Chooses takes for another tab, and presses a button of the bar. ids: of takes with a video.
    use(ids, verb, adds) {
      choose(
        ids.map((id) => [id, true]),
        adds,
      );
      part(`.wan-chosen [data-event="${verb}"]`)?.click();
    },
    clear() {
      chosen = new Map();
      mark();
      part("[data-choose]")?.focus({ preventScroll: true });
      return "";
    },
    forget(html) {
      for (const [, gone] of html.matchAll(/data-gone="([^"]*)"/g)) drop(gone);
    },
  };
})();
