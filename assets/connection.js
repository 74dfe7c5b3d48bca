// Whose key the page speaks of: what it says about money follows the key that was typed, also where
// the service has refused it, since that is what Generate sends.
window.wanConnection = (() => {
  function typed(key) {
    const mine = Boolean(key?.trim());
    document.body.classList.toggle("wan-own", mine);
    return mine ? "yes" : "";
  }

  return { typed };
})();
