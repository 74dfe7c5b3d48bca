// What is said about comments: replies, and what somebody mends or deletes. It runs where `review.js`
// does: on the page behind a review's link, where a writer is known by the token that this browser
// keeps, and in the owner's tab.
window.wanDiscussion = (() => {
  const { fire, write } = window.wan;
  // What the buttons are called as events of the owner's tab, where they have another name
  const EVENTS = { edit: "rewrite", delete: "take_back" };
  let own = new Set(); // ids of what this browser has written
  // form -> what is being written in it: { act, comment, place, whom, text, refused }
  const writing = new Map();
  const drafts = new Map(); // what and where (place) -> what was written there and not sent
  // place -> the event of the owner's tab whose answer is awaited: { event, at, late }
  const sending = new Map();

  const page = () => window.wanReview.page();
  const itemOf = (part) => part.closest("[data-comment]");

  // Shows of the buttons of comments those that somebody may use.
  function dress(part) {
    for (const button of part.querySelectorAll("[data-talk]")) {
      const { comment, owners } = itemOf(button).dataset;
      const mine = page() ? own.has(comment) : owners !== undefined;
      const may = { reply: true, edit: mine, delete: mine, resolve: !page(), reopen: !page() };
      const hidden = !may[button.dataset.talk];
      if (button.hidden !== hidden) button.hidden = hidden;
    }
  }

  async function learn() {
    const told = await window.wanReview.post("own", {});
    if (!told?.own) return;
    own = new Set(told.own);
    if (page()) dress(page());
  }

  // The form as it is written in: Gradio makes that of the owner's tab anew.
  function lay(form) {
    const now = writing.get(form);
    if (form.hidden === Boolean(now)) form.hidden = !now;
    if (!now) return;
    form.dataset.act = now.act;
    write(form.querySelector("[data-whom]"), now.whom);
    if (form.elements.text.value !== now.text) form.elements.text.value = now.text;
    const { refused = "" } = now;
    if (refused && form.querySelector(".rv-state").textContent !== refused)
      window.wanReview.show(form, refused, true);
  }

  // The form of the take that has a comment.
  const formOf = (comment, part) => {
    const item = part.querySelector(`[data-comment="${CSS.escape(comment)}"]`);
    return item && window.wanReview.takeOf(item).querySelector(".rv-answer");
  };

  function refuse(form, why) {
    writing.get(form).refused = why;
    lay(form);
  }

  function begin(button) {
    const item = itemOf(button);
    const form = window.wanReview.takeOf(button).querySelector(".rv-answer");
    const { talk: act } = button.dataset;
    const { comment } = item.dataset;
    const place = `${act} ${comment}`;
    // As it was written: what is shown, the browser may have translated
    const before = act === "edit" ? item.querySelector(".rv-text").dataset.text : "";
    const text = drafts.get(place) ?? before;
    writing.set(form, { act, comment, place, whom: nameIn(item), text });
    lay(form);
    window.wanReview.show(form, "", false);
    const first = act === "delete" ? form.querySelector("[data-cancel]") : form.elements.text;
    first.focus();
  }

  const nameIn = (item) => item.querySelector(".rv-by b").textContent;

  const isIn = (form) => form.contains(document.activeElement);

  // focused: whether the focus was in it, which a button that is disabled loses.
  function end(form, focused = isIn(form)) {
    const { act, comment, place } = writing.get(form) ?? {};
    writing.delete(form);
    drafts.delete(place);
    lay(form);
    if (!focused) return;
    const take = window.wanReview.takeOf(form);
    const name = `[data-comment="${CSS.escape(comment)}"] [data-talk="${act}"]`;
    (take.querySelector(name) ?? take.querySelector(".rv-said")).focus({ preventScroll: true });
  }

  async function send(form) {
    const { act, comment, place, text } = writing.get(form);
    const button = form.querySelector(".rv-send");
    if (button.disabled || sending.has(place)) return;
    if (act !== "delete" && !text.trim())
      return refuse(form, form.querySelector("[data-blank]").textContent);
    if (!page()) {
      const event = EVENTS[act] ?? act;
      sending.set(place, { event, at: stampOf(document.getElementById("wan-review-view")) });
      const { of: review } = form.closest("[data-of]").dataset;
      return fire(form, event, { review, comment, text });
    }
    const focused = isIn(form);
    button.disabled = true;
    const name = document.getElementById("name").value;
    const told = await window.wanReview.post(act, { comment, text, name }, form);
    button.disabled = false;
    if (!told) return;
    if (act === "reply") learn();
    end(form, focused);
  }

  // When the owner's tab was rendered by the server.
  const stampOf = (part) => part.querySelector("[data-at]")?.dataset.at;

  // The owner's tab has its answer. html: what the tab shows then, with a note where something was
  // refused; "" where nobody has answered. On a busy machine Gradio gives what the tab showed before
  // (6.31.0): then the answer is what is rendered next.
  function answered(event, html) {
    const [place, sent] = [...sending].find(([, one]) => one.event === event) ?? [];
    if (!place) return;
    const shown = Object.assign(document.createElement("template"), { innerHTML: html }).content;
    if (html && stampOf(shown) === sent.at) sent.late = true;
    else conclude(place, html && shown);
  }

  // shown: what was answered; nothing where nobody has.
  function conclude(place, shown) {
    sending.delete(place);
    const note = shown && shown.querySelector(".wan-found")?.textContent.trim();
    const done = shown && !note;
    if (done) drafts.delete(place);
    setTimeout(() => {
      const [form] = [...writing].find(([, now]) => now.place === place) ?? [];
      if (form && done) end(form);
      else if (form && note) refuse(form, note);
    }, 60); // when it is rendered
  }

  // The owner's tab was rendered anew. The parts are mended by their place, so that the same form
  // may stand under a take of another review by then.
  document.addEventListener("wan-change", ({ target }) => {
    const view = target.closest?.("#wan-review-view");
    if (!view) return;
    const now = [...writing.values()];
    writing.clear();
    for (const one of now) {
      const form = formOf(one.comment, view);
      if (form) writing.set(form, one);
    }
    view.querySelectorAll(".rv-answer").forEach(lay);
    for (const [place, { late }] of [...sending]) if (late) conclude(place, view);
    dress(view);
  });

  document.addEventListener("input", ({ target }) => {
    const now = writing.get(target.form);
    if (now && target.name === "text") drafts.set(now.place, (now.text = target.value));
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-talk], .rv-answer [data-cancel]");
    if (!button) return;
    const { talk } = button.dataset;
    if (!talk) end(button.form);
    else if (talk === "resolve" || talk === "reopen") {
      const { of: review } = button.closest("[data-of]").dataset;
      fire(button, talk, { review, comment: itemOf(button).dataset.comment });
    } else begin(button);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches?.(".rv-answer")) return;
    event.preventDefault();
    send(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.(".rv-answer");
    if (!form) return;
    if (event.key === "Escape") end(form);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(form);
  });

  return { answered, dress, learn };
})();
