// What stands in the forms: it outlives a reload, is taken along to the page in the other language,
// and is measured as the service counts it.
window.wanForms = (() => {
  const CARRIED = "wan-carried";
  const FORMS = "wan-forms";
  const kept = (key) => window.wan.kept("sessionStorage", key);
  const keep = (key, value) => window.wan.keep("sessionStorage", key, value);

  const keyTyped = () =>
    [...document.querySelectorAll("#wan-connection-key input, #wan-connection-code input")].some(
      (part) => part.value,
    );

  // What was typed outlives a reload of this browser tab, which Gradio itself does when a
  // connection was lost.
  const typed = (part) => `wan-typed-${part.closest("[id^=wan-]")?.id}`;
  const texts = () =>
    document.querySelectorAll(
      ".wan-brief textarea, .wan-brief input:is([type=text], :not([type]))",
    );

  const hold = (part) => [...texts()].includes(part) && keep(typed(part), part.value);

  let acted = false; // whether somebody has done anything since the page was opened
  let wrote = false; // whether somebody has written into a form since

  function restore() {
    const before = wrote;
    for (const part of texts()) {
      const text = kept(typed(part));
      if (!text || part.value) continue;
      part.value = text;
      part.dispatchEvent(new Event("input", { bubbles: true }));
    }
    acted = wrote = before; // a touch while the page was being opened filled nothing in
  }

  // To the page in the other language, where the forms are filled as they are here. A key and a
  // code are kept nowhere: where one was typed, the link asks first.
  let way = "";
  function leave(link) {
    way = link.href + location.hash;
    const [dialog, press] = [
      document.getElementById("wan-switch"),
      () => window.wan.fire(link, "carry"),
    ];
    if (!dialog || !keyTyped()) return press();
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => dialog.returnValue === "go" && press(), { once: true });
  }

  function carry(forms) {
    keep(CARRIED, JSON.stringify(forms));
    location.assign(way);
  }

  // Everything else in the forms, such as a sample, outlives a reload too, but for whoever has
  // begun to write anew by then; what they say before that was put back does not count.
  let arrived = false;
  const remember = (forms) => arrived && keep(FORMS, JSON.stringify(forms));

  function remembered() {
    arrived = true;
    return wrote ? null : JSON.parse(kept(FORMS) ?? "null");
  }

  // The tab on which the last that anybody did was to go back to its video; "" for none. What a form
  // shows may be slow: it comes after that, and must not take the video's place.
  let watching = "";

  function follow(target) {
    const { press } = target.closest?.("[data-press]")?.dataset ?? {};
    if (press === "watch") watching = target.closest("[id^=wan-]").id.split("-")[1];
    else if (press || !target.closest?.(".wan-run")) watching = "";
  }

  // What becomes of the stage when the form changes. "kept": it shows a job beside a form that was
  // only put back, or that somebody has turned from since, and stays. "idle": it shows no job.
  function stageOf(tab) {
    const { state } = document.querySelector(`#wan-${tab}-view .wan-view`)?.dataset ?? {};
    if (watching === tab) return "kept";
    return state === "IDLE" ? "idle" : acted ? "" : "kept";
  }

  const isWatching = (tab) => watching === tab;
  const isChanged = () => wrote;

  // What was taken along, once; null for whoever came another way.
  function carried() {
    const forms = JSON.parse(kept(CARRIED) ?? "null");
    keep(CARRIED, "null");
    return forms;
  }

  // The form was filled for new takes of a video: the button says so, and what they cost, until
  // something else is written into the form.
  const again = new Map(); // tab -> the video's id
  const newTake = (tab, job) => (job ? again.set(tab, job) : again.delete(tab));
  const newTakeOf = (tab) => again.get(tab) ?? "";

  // Videos were asked for their settings, which is answered under the form, where Generate or the
  // window's edge may hide it. notes: the HTML of what stands there, in the order of the tabs.
  function answered(tabs, notes) {
    tabs.forEach((tab, place) => notes[place]?.includes("data-filled") && newTake(tab, ""));
    const shown = () => [...document.querySelectorAll(".wan-brief .wan-found")];
    setTimeout(
      () =>
        shown()
          .find((one) => one.checkVisibility())
          ?.scrollIntoView({ block: "nearest" }),
      60,
    );
  }

  function entitle(button) {
    const tab = button.id.split("-")[1];
    if (!again.has(tab) && !("plain" in button.dataset)) return;
    const { plain = button.textContent } = button.dataset;
    const words = document.querySelector(`#wan-${tab}-price [data-again]`)?.textContent;
    button.dataset.plain = plain;
    window.wan.write(button, again.has(tab) ? (words ?? plain) : plain);
  }

  function change(part) {
    const button = part.closest?.(".wan-brief")?.querySelector("[id$=-generate]");
    if (button && !part.closest("[id$=-takes]")) again.delete(button.id.split("-")[1]);
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

  // The prompt names a character that no reference stands for, which costs as much as any other.
  function findMissing() {
    const hint = document.querySelector("#wan-reference-missing [data-missing]");
    const prompt = document.querySelector("#wan-reference-prompt textarea")?.value ?? "";
    const last = document.querySelectorAll("#wan-reference-cast [data-insert]").length;
    const named = [...prompt.matchAll(/(?<![a-z])character(\d+)/gi)].map(([, number]) => +number);
    const missing = last ? named.find((number) => number < 1 || number > last) : undefined;
    if (!hint) return;
    const words = hint.dataset.missing
      .replace("{name}", `character${missing}`)
      .replace("{last}", `character${last}`);
    if (hint.hidden !== (missing === undefined)) hint.hidden = !hint.hidden;
    if (!hint.hidden) window.wan.write(hint, words);
  }

  // Behind the prompt of a tab the words for its motion are sent. strength: null for none. lengths:
  // of these words, each behind the strength up to which they are sent.
  const added = new Map(); // id of a prompt -> their length
  const addMotion = (tab, strength, lengths) =>
    added.set(
      `wan-${tab}-prompt`,
      strength === null ? 0 : lengths.find(([limit]) => strength <= limit)[1],
    );

  const UNSEEN = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g; // is not sent

  // How long a text is as the service counts it: signs of Unicode, a line end being one. A sample
  // fills it without an event, so it is looked at.
  function measure(part) {
    const box = part.closest("[class*=wan-of-]");
    const [text, more] = [part.value.replace(UNSEEN, ""), added.get(box.id) ?? 0];
    const sent = more ? text.trim() : text;
    const signs = [...sent.replace(/\r\n?/g, "\n")].length + (more && more + Boolean(sent));
    const most = Number(/wan-of-(\d+)/.exec(box.className)[1]);
    const said = signs ? `${signs} / ${most}` : "";
    if (box.dataset.signs !== said) box.dataset.signs = said;
    if (box.classList.contains("wan-over") !== signs > most) box.classList.toggle("wan-over");
  }

  setInterval(() => {
    document.querySelectorAll("[class*=wan-of-] textarea").forEach(measure);
    document.querySelectorAll(".wan-go [id$=-generate]").forEach(entitle);
    findMissing();
  }, 250);
  document.addEventListener("input", ({ target }) => {
    hold(target);
    change(target);
  });
  // Gradio stops some of these on their way up.
  for (const kind of ["pointerdown", "keydown", "input", "change", "drop"])
    document.addEventListener(
      kind,
      ({ target }) => {
        acted = true;
        if (!/pointer|key/.test(kind) && target.closest?.(".wan-brief")) wrote = true;
      },
      { capture: true },
    );
  document.addEventListener("drop", ({ target }) => change(target), true); // Gradio stops it
  for (const kind of ["click", "input", "change", "drop"])
    document.addEventListener(kind, ({ target }) => follow(target), true);
  document.addEventListener("click", ({ target }) => {
    const tile = target.closest?.("[data-insert]");
    if (tile) insert(tile);
    if (!target.closest?.(".wan-sample")) return;
    wrote = true;
    change(target);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".wan-lang a");
    if (
      !link ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      !link.closest("[data-listens]")
    )
      return;
    event.preventDefault();
    if (!link.ariaCurrent) leave(link);
  });

  return {
    keyTyped,
    restore,
    remember,
    remembered,
    carry,
    carried,
    stageOf,
    isWatching,
    isChanged,
    newTake,
    newTakeOf,
    addMotion,
    answered,
  };
})();
