// What helps with a prompt: the last ones of this visitor, and ideas to add.
window.wanPrompt = (() => {
  const { kept, keep, fire } = window.wan;
  const SHOWN = "wan-ideas-v1";
  const ENDS = ",.;:!?，。；：！？、…\n"; // where a phrase begins or ends
  const part = (tab, name) => document.getElementById(`wan-${tab}-${name}`);
  // Null while a tab is being put on the page.
  const boxOf = (inside) => inside.closest(".wan-prompting")?.querySelector("textarea");
  const tabOf = (inside) => boxOf(inside)?.closest("[id$=-prompt]")?.id.split("-")[1];

  // Puts words in, as if somebody had typed them: Gradio hears of it, and Ctrl+Z takes them back.
  function type(box, from, to, words) {
    box.focus({ preventScroll: true });
    box.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, words)) put(box, from, to, words);
  }

  // The same where the focus stays: a phone would show its keyboard.
  function put(box, from, to, words) {
    box.setRangeText(words, from, to, box === document.activeElement ? "preserve" : "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Below the prompt there is room for a list, which covers what comes next.
  function layBelow(popup, box) {
    const [above, around] = [box, popup.offsetParent].map((one) => one.getBoundingClientRect());
    popup.style.top = `${above.bottom - around.top + 4}px`;
    popup.scrollIntoView({ block: "nearest" });
  }

  // Past prompts. wanted: the list that was asked for: its tab, and who gets the focus back; null
  // when none is open or on its way.
  let asked = 0;
  let wanted = null;
  const listOf = (tab) => part(tab, "past")?.querySelector("[role=listbox]");

  function mark() {
    for (const button of document.querySelectorAll("[data-past]")) {
      const is = wanted?.tab === tabOf(button);
      button.ariaExpanded = String(is && wanted.open);
      button.ariaBusy = String(is && !wanted.open);
    }
  }

  function open(opener) {
    close();
    wanted = { tab: tabOf(opener), opener, number: String(++asked), open: false };
    mark();
    fire(part(wanted.tab, "past").querySelector("[data-listens]"), "look", {
      number: wanted.number,
    });
  }

  document.addEventListener("wan-change", ({ target }) => {
    const shown = target.querySelector("[data-number]");
    if (!shown || !wanted || wanted.open || shown.dataset.number !== wanted.number) return;
    const past = part(wanted.tab, "past");
    if (!past.contains(target)) return;
    wanted.open = true;
    past.dataset.open = "";
    mark();
    layBelow(past, boxOf(past));
    if (!listOf(wanted.tab)) return;
    listOf(wanted.tab).focus({ preventScroll: true });
    choose(0);
  });

  // back: whether the focus goes to where it was.
  function close(back = false) {
    if (!wanted) return;
    const { tab, opener } = wanted;
    wanted = null;
    delete part(tab, "past").dataset.open;
    mark();
    if (back) opener.focus({ preventScroll: true });
  }

  const chosen = (list) => list.querySelector("[aria-selected=true]");

  function choose(number) {
    const list = listOf(wanted.tab);
    const options = [...list.children];
    const next = options[Math.max(0, Math.min(number, options.length - 1))];
    options.forEach((one, place) => {
      one.id = `${part(wanted.tab, "past").id}-${place}`;
      one.ariaSelected = String(one === next);
    });
    list.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  function take(option) {
    const [box, words] = [boxOf(option), option.textContent];
    close();
    type(box, 0, box.value.length, words);
  }

  function walk(event, list) {
    const place = [...list.children].indexOf(chosen(list));
    const to = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + 5,
      PageUp: place - 5,
      Home: 0,
      End: list.children.length,
    }[event.key];
    if (to !== undefined) choose(to);
    else if (event.key === "Enter" || event.key === " ") take(chosen(list));
    else return;
    event.preventDefault();
  }

  const isPlain = ({ ctrlKey, metaKey, altKey, shiftKey }) =>
    !(ctrlKey || metaKey || altKey || shiftKey);

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || !isPlain(event)) return;
    const { target, key } = event;
    if (key === "Escape" && wanted) {
      event.preventDefault(); // this Escape has done its work
      close(true);
    } else if (target.closest?.(".wan-past [role=listbox]")) walk(event, target);
    else if (key === "ArrowUp" && target.matches?.("[id$=-prompt] textarea") && !target.value) {
      event.preventDefault();
      open(target);
    }
  });
  document.addEventListener("focusout", ({ target, relatedTarget: to }) => {
    const past = target.closest?.(".wan-past");
    const stays = !to || past?.contains(to) || to.matches("[data-past]"); // that closes it itself
    if (past && wanted?.open && !stays) close();
  });

  // Ideas. A phrase that stands in the prompt by itself, and not within a sentence.
  function find(text, idea) {
    const sought = idea.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const phrase = `(?:^|[${ENDS}])\\s*(${sought})(?=\\s*(?:[${ENDS}]|$))`;
    const found = new RegExp(phrase, "iu").exec(text);
    const end = found && found.index + found[0].length;
    return found && { from: end - found[1].length, to: end };
  }

  // Where to write what, so that an idea stands at the end. between: what separates two phrases.
  function adding(text, idea, between) {
    const from = text.trimEnd().length;
    const [space, last] = [between.slice(1), text.slice(0, from).slice(-1)];
    if (!from || /\n\s*$/.test(text)) return [text.length, text.length, idea];
    if (/[.!?。！？…]/.test(last))
      return [from, text.length, (space || " ").repeat(/[.!?…]/.test(last)) + capital(idea)];
    return [from, text.length, (ENDS.includes(last) ? space : between) + idea];
  }
  const capital = (words) => words[0].toUpperCase() + words.slice(1);

  // The same, so that it is gone, with what separates it from the rest.
  function removing(text, { from, to }) {
    const [before, after] = [text.slice(0, from), text.slice(to)];
    if (/(^|[.!?。！？…\n])\s*$/.test(before)) {
      const rest = /^\s*[,;.，、；。]?\s*/.exec(after)[0].length;
      return [after.slice(rest) ? from : before.trimEnd().length, to + rest, ""];
    }
    return [before.replace(/[\s,;:，、；：]+$/, "").length, to, ""];
  }

  function press(button) {
    const [box, { idea }] = [boxOf(button), button.dataset];
    const { between } = button.closest("[data-between]").dataset;
    const there = find(box.value, idea);
    put(box, ...(there ? removing(box.value, there) : adding(box.value, idea, between)));
    if (!there) box.scrollTop = box.scrollHeight;
    look();
  }

  const set = (button, name, is) =>
    button[name] !== String(is) && (button[name] = String(is));

  function look() {
    const shows = kept("localStorage", SHOWN) === "1";
    for (const tools of document.querySelectorAll(".wan-prompt-tools")) {
      const [opener, ideas] = ["[data-ideas]", ".wan-ideas"].map((one) => tools.querySelector(one));
      const box = boxOf(tools);
      if (!ideas || !box) continue;
      if (ideas.hidden === shows) ideas.hidden = !shows;
      set(opener, "ariaExpanded", shows);
      for (const button of shows ? ideas.querySelectorAll("[data-idea]") : [])
        set(button, "ariaPressed", Boolean(find(box.value, button.dataset.idea)));
    }
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-past], [data-ideas], [data-idea]");
    const option = target.closest?.(".wan-past [role=option]");
    if (option) return take(option);
    const again = button?.ariaExpanded === "true"; // it is the button of the list that is open
    if (wanted && !target.closest?.(".wan-past")) close();
    if (!button) return;
    if ("past" in button.dataset) again || open(button);
    else if ("idea" in button.dataset) press(button);
    else keep("localStorage", SHOWN, again ? "" : "1");
    look();
  });
  document.addEventListener("input", look);
  setInterval(look, 250);
  return { type, layBelow };
})();
