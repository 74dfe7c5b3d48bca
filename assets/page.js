// What the server does not say: it sends a card when something changes; here the clock ticks,
// buttons in cards reach Gradio, the forms are taken along to the page in the other language, and a
// view whose stream has gone silent is taken up again.
window.wanStudio = (() => {
  const { fire, write, openAnew } = window.wan;
  const TABS = ["image", "reference"];
  // Ms without a sign of life, after which a live view is taken up again: its stream may have ended
  // without a word
  const QUIET = 30_000;
  // Ms after that, when only opening the page anew helps: Gradio takes a stream that a proxy has
  // ended for an open one
  const DEAD = 10_000;
  const PLACE = "wan-tab";
  const ENDS = { SUCCEEDED: "✓ ", FAILED: "✕ ", CANCELLED: "✕ ", EXPIRED: "✕ " };
  const MARKS = { "✓ ": "good", "✕ ": "bad" };
  const unfolded = new Set(); // ids of the jobs whose details somebody looks at
  const starts = new Map(); // clock -> when it began, in ms of this browser's own clock
  const seen = new Map(); // tab -> the card shown and when it came

  const view = (tab) => document.querySelector(`#wan-${tab}-view .wan-view`);
  const price = (tab) => document.querySelector(`#wan-${tab}-price .wan-price`);
  const isLive = (tab) => "live" in (view(tab)?.dataset ?? {});
  const asClock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const [hours, minutes, rest] = [
      Math.floor(whole / 3600),
      Math.floor(whole / 60) % 60,
      String(whole % 60).padStart(2, "0"),
    ];
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  function tick(shown) {
    for (const details of shown.querySelectorAll("[data-details]")) {
      if (details.open !== unfolded.has(details.dataset.details)) details.open = !details.open;
    }
    window.wanTell.show(shown);
    for (const clock of shown.querySelectorAll("[data-clock]")) {
      const { clock: name, elapsed, expected } = clock.dataset;
      if (!starts.has(name)) starts.set(name, performance.now() - elapsed * 1000);
      const seconds = (performance.now() - starts.get(name)) / 1000;
      const [now, words] = [clock.querySelector("b"), asClock(seconds)];
      write(now, words);
      if (!Number(expected)) continue;
      const holder = clock.closest(".wan-take, .wan-view");
      const made = Math.min(seconds / expected, 0.96).toFixed(2);
      if (holder.style.getPropertyValue("--made") !== made)
        holder.style.setProperty("--made", made);
      if (holder.classList.contains("late") !== seconds > Number(expected))
        holder.classList.toggle("late");
    }
  }

  // A click on its summary, before the browser does what it does then.
  function fold({ open, dataset }) {
    if (open) unfolded.delete(dataset.details);
    else unfolded.add(dataset.details);
  }

  // When one take changes, Gradio mends the others too, and takes away what was put on them here:
  // it is put back before anybody sees that.
  const mended = new WeakSet();
  // A browser lets a hidden page look around once a minute at most; this it does at once.
  const again = new MutationObserver(() =>
    document.hidden ? lookAround() : TABS.map(view).forEach((shown) => shown && tick(shown)),
  );

  function keepMended(tab) {
    const holder = document.getElementById(`wan-${tab}-view`);
    if (mended.has(holder)) return;
    mended.add(holder);
    again.observe(holder, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ["style", "class", "open"],
    });
  }

  function announce(shown) {
    const said = [...shown.querySelectorAll(".wan-title, .wan-say")]
      .map((part) => part.textContent.trim())
      .filter(Boolean);
    const announcer = document.getElementById("wan-announcer");
    if (!announcer || !said.length || announcer.textContent === said.join("")) return;
    // Each a paragraph: no language's full stop stands between them
    announcer.replaceChildren(
      ...said.map((words) => Object.assign(document.createElement("p"), { textContent: words })),
    );
  }

  // The browser's tab says what the page would: what is going on in it, or how it ended.
  let title = "";
  function entitle() {
    const views = TABS.map(view).filter((one) => one && one.dataset.state !== "IDLE");
    const newest = TABS.filter((tab) => views.includes(view(tab))).sort(
      (a, b) => (seen.get(b)?.at ?? 0) - (seen.get(a)?.at ?? 0),
    )[0];
    const shown = views.find((one) => "live" in one.dataset) ?? (newest && view(newest));
    const words = shown?.querySelector(".wan-title")?.textContent;
    const now = words ? `${ENDS[shown.dataset.state] ?? ""}${words} · Wan Studio` : "Wan Studio";
    if (now !== title) document.title = title = now; // once: it may be translated
    const end = ENDS[shown?.dataset.state];
    window.wanTell.mark(!shown ? "" : "live" in shown.dataset ? "live" : MARKS[end] ?? "");
  }

  // Whether a stage shows what is in the form, and no refusal.
  const isPicture = (shown) =>
    shown.dataset.state === "IDLE" && !shown.querySelector(".wan-card.bad");

  function look(tab) {
    const shown = view(tab);
    if (!shown) return;
    const last = seen.get(tab);
    const live = isLive(tab);
    // Gradio may mend the old elements instead of putting in new ones, so a card is known by what
    // it says.
    const clocks = [...shown.querySelectorAll("[data-clock]")].flatMap(({ dataset }) => [
      dataset.clock,
      dataset.elapsed,
    ]);
    const card = [
      shown.dataset.state,
      ...clocks,
      ...[...shown.querySelectorAll(".wan-say, .wan-take-say")].map((part) => part.textContent),
    ].join();
    // Of several takes: how many have ended
    const state = shown.dataset.told ?? shown.dataset.state;
    if (last?.card !== card) {
      if (last && last.state !== state) announce(shown);
      if (last?.live && !live && shown.dataset.state !== "IDLE") window.wanTell.ended(shown);
      seen.set(tab, { card, state, live, at: performance.now(), retaken: 0 });
      const generate = document.getElementById(`wan-${tab}-generate`);
      if (generate) generate.disabled = live;
    } else if (live) {
      const quiet = performance.now() - last.at;
      if (quiet > QUIET && !last.retaken) {
        last.retaken = performance.now();
        attach(tab);
      } else if (
        last.retaken &&
        performance.now() - last.retaken > DEAD &&
        !document.hidden &&
        !window.wanForms.keyTyped()
      ) {
        last.retaken = performance.now();
        openAnew();
      }
    }
    // The form's picture came late
    const back = isPicture(shown) && shown.querySelector("[data-press=watch]:enabled");
    if (back && window.wanForms.isWatching(tab)) press(back, "watch");
    keepMended(tab);
    tick(shown);
  }

  function lookAround() {
    TABS.forEach(look);
    entitle();
  }

  // Takes the tab's job up again; an older stream of it is let go first.
  function attach(tab) {
    fire(view(tab), "quiet");
    setTimeout(() => fire(view(tab), "watch"), 150);
  }

  // What the stages show was changed elsewhere on the page, such as the addresses of their videos.
  const showAgain = () =>
    TABS.filter((tab) => !["IDLE", "ASKS"].includes(view(tab)?.dataset.state)).forEach(attach);

  // The page was opened, and shows every job as it was at that moment: what is on its way is
  // followed from there.
  function arrived(forms) {
    const [carried, remembered] = [window.wanForms.carried(), window.wanForms.remembered()];
    const filled = carried ?? remembered;
    window.wanForms.restore();
    if (!window.wanLibrary.arrive()) back(Boolean(carried));
    setTimeout(() => {
      document.body.dataset.arrived = ""; // at the tab on which it was left, with its forms
      TABS.filter(isLive).forEach(attach);
      // What has been changed meanwhile costs something else than what was answered
      if (window.wanForms.isChanged()) TABS.forEach((tab) => fire(price(tab), "ask"));
    }, 60);
    return filled?.length === forms.length ? filled : forms.map(() => ({ __type__: "update" }));
  }

  // Does something as soon as it can be done: a tab is put on the page when somebody first turns to
  // it, which may take long on a slow line.
  function when(there, then, tries = 600) {
    if (there()) then();
    else if (tries) setTimeout(() => when(there, then, tries - 1), 50);
  }

  const shows = (tab, job) =>
    Boolean(view(tab)?.closest("[data-listens]")) && (!job || view(tab).dataset.of === job);

  // After Generate or a retry, or when somebody is taken to a job: look at what came of it. job:
  // its id, "" for whatever is shown.
  function started(tab, job = "") {
    const look = () => {
      if (isLive(tab)) attach(tab);
      if (innerWidth < 900 && !view(tab).querySelector("[data-field]"))
        window.wan.scrollTo(
          view(tab).querySelector(".wan-take[data-live]") ??
            document.getElementById(`wan-${tab}-view`),
        );
    };
    setTimeout(() => when(() => shows(tab, job), look), 60);
  }

  // Generate, or a button that makes something anew, is gone by then: the focus goes to what came of
  // it, which is the field that was refused, or the card.
  function generated(tab) {
    if (view(tab)?.dataset.state !== "IDLE") window.wanForms.newTake(tab, "");
    started(tab);
    setTimeout(() => {
      if (window.wanFields.answered(`wan-${tab}-generate`)) return;
      view(tab)?.querySelector(".wan-card")?.focus({ preventScroll: true });
    }, 60);
  }

  // Makes a job once more when its tab shows it, and never another one that is shown there by then.
  const takeAgain = (tab, job) =>
    job &&
    when(
      () => shows(tab, job),
      () => act(tab, "retry", job),
    );

  // Buttons of cards, one after the other: each works on what the one before has made of the stage,
  // and none is lost.
  const waiting = new Map(TABS.map((tab) => [tab, []]));
  // A stream that went on would bring back what these change; a cancel leaves all as it is.
  const CHANGES = ["resume", "withdraw", "retry", "sure"];
  // Ms after which an answer does not come any more: longer than the server waits for its database
  const LOST = 30_000;

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
    // Not before it: with its last event Gradio closes a page's connection (6.31.0)
    if (CHANGES.includes(first.verb)) setTimeout(() => fire(view(tab), "quiet"), 100);
    setTimeout(() => waiting.get(tab)[0] === first && endTurn(tab, first.verb), LOST);
  }

  // verb: what was answered; an answer that comes after all ends no other's turn.
  function endTurn(tab, verb) {
    if (waiting.get(tab)[0]?.verb !== verb) return;
    waiting.get(tab).shift();
    setTimeout(() => go(tab), 60);
  }

  // A button was answered, and the stream of the stage has ended: what still goes on is followed
  // again. A cancel leaves the stream as it is, but of several takes its answer may come after the
  // stream's last word, and be older.
  function acted(tab, verb) {
    endTurn(tab, verb);
    const single = !view(tab)?.querySelector(".wan-take");
    const makes = verb === "retry" || verb === "sure";
    // The button is gone with the stage of one job, also where a new take has come beside it
    if (makes && (single || document.activeElement === document.body)) generated(tab);
    else if (makes) started(tab);
    else if (!single || verb !== "cancel") setTimeout(() => isLive(tab) && attach(tab), 60);
  }

  const turn = (tab) => document.querySelector(`#wan-tabs [role=tab][data-tab-id=${tab}]`)?.click();

  // Hands takes to the library, which compares and reviews. jobs: their ids. verb: "compare" or
  // "review". adds: whether those that are chosen there already stay so.
  function choose(jobs, verb, adds = false) {
    turn("library");
    const there = () =>
      document.querySelector("#wan-library-bar [data-listens]")?.checkVisibility();
    when(there, () => window.wanSelection.use(jobs.split(" "), verb, adds));
  }

  // A reload, or the other language, leads back to the tab that is looked at, whoever has turned to it.
  function stay() {
    const tab = document.querySelector("#wan-tabs [role=tab][aria-selected=true]");
    if (tab && "arrived" in document.body.dataset)
      window.wan.keep("sessionStorage", PLACE, tab.dataset.tabId);
  }

  function back(switched) {
    const place = window.wan.kept("sessionStorage", PLACE);
    const [opening] = performance.getEntriesByType("navigation");
    if (place && (switched || opening?.type === "reload")) turn(place);
  }

  function connect(open = !document.body.classList.contains("wan-connecting")) {
    const panel = document.getElementById("wan-connection");
    const inside = panel?.contains(document.activeElement);
    document.body.classList.toggle("wan-connecting", open);
    if (open) panel?.querySelector("input")?.focus();
    else if (inside) document.querySelector(".wan-key")?.focus();
  }

  // Past the head of the page, to what is shown below it.
  const skip = () =>
    [...document.querySelectorAll("#wan-tabs [role=tabpanel] :is(textarea, input, button)")]
      .find((part) => part.checkVisibility() && !part.disabled)
      ?.focus();

  // Somebody comes to a form whose prompt is what changes next. selects: whether all of it does.
  function selectPrompt(tab, selects = true) {
    const box = () => document.querySelector(`#wan-${tab}-prompt textarea`);
    when(
      () => box()?.checkVisibility(),
      () => {
        if (document.activeElement === box()) return; // somebody writes there already
        box().focus({ preventScroll: true });
        if (selects) box().select();
        box().scrollIntoView({ block: "nearest" });
      },
    );
  }

  // Somebody comes to a form that only has to be sent.
  const toGenerate = (tab) => {
    const button = () => document.getElementById(`wan-${tab}-generate`);
    when(
      () => button()?.checkVisibility(),
      () => button().focus({ preventScroll: true }),
    );
  };

  // A form was filled from a video on the stage of a tab, or could not be: then the stage says why,
  // or a line under the form.
  function filled(tab, verb) {
    endTurn(tab, verb);
    document
      .querySelectorAll(`#wan-${tab}-view [data-press="${verb}"]`)
      .forEach((button) => (button.disabled = false));
    const to = verb === "frame" ? "image" : tab;
    setTimeout(() => {
      const why = document.querySelector(`#wan-${tab}-recalled .wan-found`);
      if (why) return why.scrollIntoView({ block: "nearest" });
      if (view(tab)?.querySelector(".wan-card.bad")) return;
      window.wanForms.newTake(to, "");
      selectPrompt(to, verb === "frame");
    }, 60);
  }

  function press(button, verb, job) {
    const tab = TABS.find((one) => button.closest(`[id^="wan-${one}-"]`));
    button.disabled = true;
    if (verb === "watch") attach(tab);
    else act(tab, verb, job);
  }

  document.addEventListener("click", ({ target }) => {
    if (target.isConnected && !target.closest?.("#wan-connection, [data-connect], [role=listbox]"))
      connect(false);
    if (target.closest?.("[data-skip]")) skip();
    if (target.closest?.("[data-details] > summary")) fold(target.closest("[data-details]"));
    const button = target.closest?.("[data-press], [data-choose], [data-add], [data-connect]");
    if (!button) return;
    const { press: verb, job = "", choose: how, jobs, add } = button.dataset;
    if (verb) press(button, verb, job);
    else if (how) choose(jobs, how);
    else if (add) choose(add, "review", true);
    else if ("connect" in button.dataset) connect();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("wan-connecting")) return;
    event.preventDefault(); // this Escape has done its work
    connect(false);
  });
  document.addEventListener("keydown", (event) => {
    const generates = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    const form = generates && event.target.closest?.(".wan-brief");
    if (!form) return;
    event.preventDefault();
    form.querySelector("[id$=-generate]")?.click();
  });
  addEventListener("pagehide", stay);
  setInterval(lookAround, 250);
  return {
    arrived,
    started,
    generated,
    takeAgain,
    toGenerate,
    acted,
    turn,
    showAgain,
    selectPrompt,
    filled,
  };
})();
