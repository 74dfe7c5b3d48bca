// The library: what its events give as HTML is put in card by card, so that nothing flickers and no place, focus or mark is lost; which takes are
// chosen; what is open; and a look every two seconds while something that is shown is on its way.
window.wanLibrary = (() => {
  const LOOK = 2000; // ms between two looks at what is on its way
  const chosen = []; // ids, in the order of choosing
  const place = { offset: 0, until: "", filters: "" };
  const sources = new WeakMap(); // element -> the HTML that it was made of
  let asked = ""; // the job that is looked at
  let from = ""; // whose card gets the focus back
  let scrolled = 0;
  let looking = 0; // when the last look was asked for
  let stopped = false; // whether the film that is being joined is wanted no more

  const root = () => document.getElementById("wan-library");
  const part = (name) => root()?.querySelector(name);
  const press = (verb) => document.getElementById(`wan-library-${verb}`)?.click();
  const made = (html) => Object.assign(document.createElement("template"), { innerHTML: html }).content;
  const shown = () => !document.hidden && Boolean(root()?.checkVisibility());
  const view = () => root()?.dataset.view;

  // What the events are given.
  function page([token, ...filters]) {
    filters.pop();
    const now = JSON.stringify(filters);
    if (now !== place.filters) Object.assign(place, { offset: 0, until: "", filters: now });
    looking = performance.now();
    return [token, ...filters, `${place.offset} ${place.until}`];
  }

  // Puts an element in where the old one says something else, and gives the focus to the part that had it.
  function put(box, fresh) {
    const html = fresh?.outerHTML ?? "";
    const old = box.firstElementChild;
    if (old && sources.get(old) === html) return;
    const focused = box.contains(document.activeElement) ? marked(document.activeElement) : "";
    const nth = focused ? [...box.querySelectorAll(focused)].indexOf(document.activeElement) : 0;
    box.replaceChildren(...(fresh ? [fresh] : []));
    if (fresh) sources.set(fresh, html);
    if (focused) {
      const same = [...box.querySelectorAll(focused)];
      (same[nth]?.disabled === false ? same[nth] : same.find((one) => !one.disabled))?.focus();
    }
    dated(box);
  }

  const marked = (element) => {
    const name = ["data-open", "data-choose", "data-turn", "data-act", "data-back"].find((one) => element.hasAttribute?.(one));
    const value = name && element.getAttribute(name);
    return !name ? "" : value && name !== "data-turn" ? `[${name}="${value}"]` : `[${name}]`;
  };

  function shelf(html) {
    const fresh = made(html);
    const found = fresh.querySelector("[data-shelf]");
    if (!root()) return;
    put(part(":scope > .wan-note"), fresh.querySelector("[data-note]"));
    if (!found) return;
    place.offset = Number(found.dataset.offset);
    place.until = found.dataset.until;
    root().dataset.going = found.dataset.going;
    cards(part(".wan-shelf"), [...found.querySelectorAll("[data-job]")]);
    put(part(".wan-pages"), found.querySelector("nav"));
    choose();
  }

  // Cards that are the same stay where they are; the others are put in between.
  function cards(list, fresh) {
    const old = new Map([...list.children].map((card) => [card.dataset.job, card]));
    const active = list.contains(document.activeElement) ? document.activeElement : null;
    const [id, focused] = [active?.closest("[data-job]").dataset.job, active && marked(active)];
    const wanted = fresh.map((card) => {
      const html = card.outerHTML;
      const kept = old.get(card.dataset.job);
      const one = kept && sources.get(kept) === html ? kept : card;
      sources.set(one, html);
      return one;
    });
    // What goes, goes first: a card that is moved loses the focus.
    for (const card of old.values()) if (!wanted.includes(card)) card.remove();
    wanted.forEach((card, number) => list.children[number] === card || list.insertBefore(card, list.children[number] ?? null));
    dated(list);
    if (id && document.activeElement !== active) list.querySelector(`[data-job="${CSS.escape(id)}"] ${focused}`)?.focus();
  }

  function dated(box) {
    const language = document.documentElement.lang || "en";
    const words = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    for (const time of box.querySelectorAll("time")) time.textContent = words.format(new Date(time.dateTime));
  }

  // One job, or takes side by side, in place of the cards.
  function one(html) {
    const fresh = made(html).firstElementChild;
    if (!fresh || !root()) return;
    if (fresh.matches("[data-note]")) return note(fresh);
    show(fresh);
  }

  function show(fresh) {
    const job = "job" in fresh.dataset;
    if (job && asked !== fresh.dataset.job) return; // left again before it came
    if (!job) asked = "";
    const first = view() === "grid";
    if (first) {
      scrolled = scrollY;
      history.scrollRestoration = "manual"; // where to is ours to say
      history.pushState({ wan: "library" }, ""); // the browser's way back leads to the cards
    }
    root().dataset.view = job ? "job" : "board";
    put(part(".wan-library-one"), fresh);
    if (!first) return;
    (part("[data-compare]") ?? part("[data-back]")).focus({ preventScroll: true });
    document.getElementById("wan-tabs").scrollIntoView({ block: "start" });
  }

  function board(html) {
    const fresh = made(html).firstElementChild;
    if (!fresh || !root()) return;
    drop(fresh);
    if (fresh.matches("[data-note]")) say(fresh);
    else show(fresh);
  }

  function back() {
    leave();
    if (history.state?.wan === "library") history.back();
  }

  addEventListener("popstate", () => view() !== "grid" && history.state?.wan !== "library" && leave());

  function leave() {
    if (!root()) return;
    const board = view() === "board";
    asked = "";
    root().dataset.view = "grid";
    part(".wan-library-one").replaceChildren();
    scrollTo({ top: scrolled });
    const card = from && part(`[data-job="${CSS.escape(from)}"] [data-open]`);
    if (card) card.focus({ preventScroll: true });
    else if (board) document.querySelector('.wan-chosen [data-act="compare"]')?.focus();
    press("refresh");
  }

  function note(fresh) {
    const box = part(view() === "job" ? ".wan-job-side .wan-note" : ":scope > .wan-note");
    box?.replaceChildren(fresh);
    for (const button of root().querySelectorAll("[data-act]:disabled")) button.disabled = false;
  }

  // Beside the buttons that are refused, and until the next step: a look at the cards leaves it there.
  function say(fresh) {
    hush();
    document.querySelector(".wan-work").append(fresh);
  }

  const hush = () => document.querySelector(".wan-work > [data-note]")?.remove();
  const focusTab = (tab) => document.querySelector(`#wan-tabs [role=tab][data-tab-id=${tab}]`)?.focus({ preventScroll: true });

  // Somebody is taken to a tab. take: whether the job that is shown there shall be made once more.
  function went(html, take) {
    const fresh = made(html).firstElementChild;
    if (!fresh || !root()) return;
    if (fresh.matches("[data-note]")) return note(fresh);
    const { went: tab, job } = fresh.dataset;
    back();
    scrollTo({ top: 0 });
    focusTab(tab);
    if (take) window.wanStudio.takeAgain(tab, job);
    else window.wanStudio.started(tab, job);
  }

  function deleted(html) {
    const fresh = made(html).firstElementChild;
    if (!fresh || !root()) return;
    if (fresh.matches("[data-note]")) return note(fresh);
    drop(fresh);
    const card = part(`.wan-item[data-job="${CSS.escape(fresh.dataset.gone)}"]`);
    if (asked !== fresh.dataset.gone) return press("refresh");
    from = (card?.nextElementSibling ?? card?.previousElementSibling)?.dataset.job ?? "";
    card?.remove(); // before the focus, which would go with it
    back();
    if (!from) focusTab("library");
  }

  // What is not there any more is chosen no longer.
  function drop(fresh) {
    const gone = (fresh?.dataset.gone ?? "").split(" ");
    const left = chosen.filter((id) => !gone.includes(id));
    if (left.length === chosen.length) return;
    chosen.splice(0, chosen.length, ...left);
    choose();
  }

  // How far a film is, and then the way to it.
  function working(html) {
    const box = document.querySelector(".wan-work");
    const fresh = made(html).firstElementChild;
    drop(fresh);
    const [old, bar] = [box.querySelector("progress"), fresh?.querySelector("progress")];
    if (bar && stopped) return; // it comes late
    if (!old || !bar) {
      const held = box.contains(document.activeElement) || document.activeElement?.matches('[data-act="join"]');
      box.replaceChildren(...(fresh ? [fresh] : []));
      choose();
      if (held) (box.querySelector("a, button") ?? document.querySelector('.wan-chosen [data-act="join"]'))?.focus();
      return;
    }
    old.value = bar.value;
    box.querySelector("b").textContent = fresh.querySelector("b").textContent;
  }

  function saved(html) {
    working(html);
    document.querySelector(".wan-work a[download]")?.click();
  }

  // Shows what is chosen, and tells Gradio, from whose text the other tabs take it.
  function choose() {
    const bar = document.querySelector(".wan-chosen");
    if (!bar) return;
    bar.hidden = !chosen.length;
    bar.querySelector("b").textContent = chosen.length;
    for (const [act, [low, high]] of Object.entries(JSON.parse(bar.dataset.needed))) {
      const busy = act === "join" && document.querySelector(".wan-work progress");
      bar.querySelector(`[data-act="${act}"]`).disabled = chosen.length < low || chosen.length > high || Boolean(busy);
    }
    for (const card of root().querySelectorAll(".wan-item")) {
      const number = chosen.indexOf(card.dataset.job);
      const box = card.querySelector("[data-choose]");
      card.classList.toggle("chosen", number >= 0);
      if (!box) continue;
      box.checked = number >= 0;
      box.nextElementSibling.textContent = number >= 0 ? number + 1 : "";
    }
    const text = document.querySelector("#wan-library-chosen textarea, #wan-library-chosen input");
    if (!text || text.value === chosen.join(" ")) return;
    text.value = chosen.join(" ");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  const acts = {
    ask: (button) => askFirst(button, true),
    keep: (button) => askFirst(button, false),
    clear: () => {
      chosen.splice(0);
      part("[data-choose]")?.focus({ preventScroll: true });
    },
    dismiss: () => working(""),
    stop: () => {
      stopped = true;
      press("stop");
      working("");
    },
  };

  function askFirst(button, open) {
    const side = button.closest(".wan-job-side");
    side.querySelector(".wan-ask").hidden = !open;
    side.querySelector(open ? '[data-act="keep"]' : '[data-act="ask"]').focus();
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("#wan-library-room :is([data-open], [data-back], [data-turn], [data-act])");
    if (!button) return;
    const { turn, act } = button.dataset;
    hush();
    if ("open" in button.dataset) {
      asked = from = button.closest("[data-job]").dataset.job;
      press("open");
    } else if ("back" in button.dataset) back();
    else if (turn) {
      place.offset = Number(turn);
      press("refresh");
      document.getElementById("wan-library-room").scrollIntoView({ block: "start" });
    } else if (acts[act]) {
      acts[act](button);
      choose();
    } else {
      if (act === "compare") from = "";
      if (act === "delete") button.disabled = true;
      if (act === "join") stopped = false;
      press(act);
    }
  });

  document.addEventListener("change", ({ target }) => {
    if (!target.matches?.("#wan-library [data-choose]")) return;
    const id = target.closest("[data-job]").dataset.job;
    if (target.checked) chosen.push(id);
    else chosen.splice(chosen.indexOf(id), 1);
    hush();
    choose();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown() || view() === "grid" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const question = part(".wan-ask:not([hidden]) [data-act=keep]");
    if (question) askFirst(question, false);
    else back();
  });

  // A video that is dropped on a form is asked for its settings; on the references' own field it stays a reference.
  const dropped = (event) => {
    const form = event.target.closest?.(".wan-brief");
    const upload = form?.querySelector(".wan-recall")?.parentElement.querySelector(":scope > input[type=file]");
    const [file] = event.dataTransfer?.items ?? [];
    const video = file?.kind === "file" && /^video\/(mp4|quicktime)$/.test(file.type);
    return video && upload && !event.target.closest("#wan-reference-reference_video") ? upload : null;
  };
  addEventListener("dragover", (event) => dropped(event) && event.preventDefault(), true);
  addEventListener(
    "drop",
    (event) => {
      const upload = dropped(event);
      if (!upload) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const files = new DataTransfer();
      files.items.add(event.dataTransfer.files[0]);
      upload.files = files.files;
      upload.dispatchEvent(new Event("change", { bubbles: true }));
    },
    true,
  );

  setInterval(() => {
    if (!shown() || performance.now() - looking < LOOK) return;
    looking = performance.now();
    if (view() === "job" && part("[data-going].wan-job")) press("open");
    else if (view() === "grid" && Number(root().dataset.going)) press("refresh");
  }, 500);

  return {
    page,
    shelf,
    one,
    deleted,
    working,
    saved,
    board,
    went: (html) => went(html, false),
    again: (html) => went(html, true),
    forget: (html) => drop(made(html).firstElementChild),
    asked: () => asked,
    chosen: () => chosen.join(" "),
    choose: (ids) => {
      chosen.splice(0, chosen.length, ...ids);
      choose();
    },
  };
})();
