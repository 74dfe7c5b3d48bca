// The fields of the forms: one that was refused says so, and the choices of one belong together.
window.wanFields = (() => {
  // A field that was refused is marked, and what is wrong with it stands at the field, whoever says
  // so: a card, or a line below a form. data-field: names of fields, of which the first counts;
  // data-there: the sentence stands at the field by itself.
  const refused = new Map(); // field -> its sentence
  const mended = new Map(); // id of a field -> the sentence after which somebody has changed it
  const wordsOf = (said) => (said.querySelector(".wan-say") ?? said).textContent.trim();
  const controlOf = (field) =>
    field.querySelector("textarea, input:not([type=file]), button") ?? field;
  const lineOf = (field) => document.getElementById(`${field.id}-wrong`);

  function fieldOf(said) {
    const [name] = said.dataset.field.split(" ");
    return document.getElementById(said.closest("[id^=wan-]").id.replace(/[^-]+$/, name));
  }

  function writeBelow(field, said) {
    const line = document.createElement("div");
    line.id = `${field.id}-wrong`;
    line.className = "wan-error";
    const words = document.createElement("p");
    words.className = "wan-hint wan-bad";
    words.textContent = wordsOf(said);
    const offer = said.querySelector("[data-press=move]");
    line.append(words, ...(offer ? [offer.cloneNode(true)] : []));
    if (field.matches(".wan-drop")) field.after(line);
    else field.append(line);
    controlOf(field).setAttribute("aria-describedby", line.id);
  }

  function unmark(field) {
    field.classList.remove("wan-wrong");
    lineOf(field)?.remove();
    for (const name of ["aria-invalid", "aria-describedby"]) controlOf(field).removeAttribute(name);
    refused.delete(field);
  }

  function mark(field, said) {
    const words = wordsOf(said);
    if (refused.get(field) !== words) unmark(field);
    refused.set(field, words);
    field.classList.add("wan-wrong"); // Gradio writes the class anew whenever the field changes
    controlOf(field).setAttribute("aria-invalid", "true");
    if (!("there" in said.dataset) && !lineOf(field)) writeBelow(field, said);
  }

  function markFields() {
    const wrong = new Map();
    for (const said of document.querySelectorAll("[data-field]")) {
      const field = fieldOf(said);
      const counts = field && !wrong.has(field) && mended.get(field.id) !== wordsOf(said);
      if (counts) wrong.set(field, said);
      if (said.classList.contains("wan-moved") !== Boolean(field))
        said.classList.toggle("wan-moved");
    }
    [...refused.keys()].forEach((field) => wrong.has(field) || unmark(field));
    wrong.forEach((said, field) => mark(field, said));
  }

  // Somebody changes what was refused.
  function mend({ target }) {
    const field = target.closest?.(".wan-wrong");
    if (!field) return;
    mended.set(field.id, refused.get(field));
    markFields();
  }

  // A form was answered: whoever has been refused is taken to the field. Says whether that is so.
  // button: the id of the one that was pressed.
  function answered(button) {
    mended.clear();
    markFields();
    const form = document.getElementById(button)?.closest(".wan-brief, #wan-connection");
    const field = [...refused.keys()].find((one) => form?.contains(one));
    if (!field) return false;
    field.closest(".wan-more")?.querySelector(":scope > button:not(.open)")?.click();
    setTimeout(() => {
      controlOf(field).focus({ preventScroll: true });
      field.scrollIntoView({ block: "center" });
    }, 60);
    return true;
  }

  // Gradio gives each choice of a field a group of its own, and another one whenever the choice
  // changes: a stop of the Tab key for each of them, and no arrow keys.
  function gather(radio) {
    const { id } = radio.closest("[id^=wan-]");
    if (radio.name !== id) radio.name = id;
  }
  const regather = new MutationObserver((changes) =>
    changes.forEach(({ target }) => gather(target)),
  );
  const isNew = ":not([data-gathered])";

  function gatherNew() {
    for (const radio of document.querySelectorAll(`.wan-brief input[type=radio]${isNew}`)) {
      radio.dataset.gathered = "";
      gather(radio);
      regather.observe(radio, { attributeFilter: ["name"] });
    }
  }

  // A list of choices hears Tab too, after it has been left, and opens once more.
  document.addEventListener(
    "keydown",
    (event) =>
      event.key === "Tab" && event.target.matches?.("[role=combobox]") && event.stopPropagation(),
    true,
  );

  setInterval(() => {
    gatherNew();
    markFields();
  }, 250);
  // A file that is no picture leaves the browser's broken one, which says less than the sentence
  // at the field.
  for (const event of ["load", "error"])
    document.addEventListener(
      event,
      ({ target }) =>
        target.matches?.(".wan-drop img") &&
        target.toggleAttribute("data-broken", event === "error"),
      true,
    );
  document.addEventListener("input", mend);
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.(".wan-wrong.wan-drop button")) mend({ target });
  });
  return { answered };
})();
