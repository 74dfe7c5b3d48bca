// Whose key the page speaks of: what it says about money follows the key that was typed, unless that
// was refused.
window.wanConnection = (() => {
  const refused = () => document.querySelector('#wan-connection-found [data-field="key"]');

  function own(mine) {
    document.body.classList.toggle("wan-own", mine);
    return mine ? "yes" : "";
  }

  // A key was typed, or taken out again, or may be one in the region that was chosen.
  const typed = (key) => own(Boolean(key?.trim()));

  // The service was asked about it.
  function answered(key, button) {
    window.wanFields.answered(button);
    return own(Boolean(key?.trim()) && !refused());
  }

  return { typed, answered };
})();
