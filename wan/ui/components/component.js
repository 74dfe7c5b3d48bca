// A button's data-event becomes an event of this component, its other data-… what the event
// carries. A script triggers one by a DOM event "wan".
const events = {events};
const fire = ({ event, ...values }) => events.includes(event) && trigger(event, values);
element.addEventListener("click", ({ target }) =>
  fire({ ...target.closest("[data-event]")?.dataset }),
);
element.addEventListener("wan", ({ detail }) => fire(detail));
element.dataset.listens = "";
// Gradio takes away what a script put on a part when it renders that anew: "wan-change" says that
// it did.
const changed = () => element.dispatchEvent(new CustomEvent("wan-change", { bubbles: true }));
watch("value", changed);
changed();
