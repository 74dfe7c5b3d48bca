// The private link, which leads another browser to the jobs of this one.
window.wanPrivateLink = (() => {
  const LINK = /^#jobs=([\w-]{32,})$/;

  // Whoever opens it reads their own language
  const linkOf = (token) => `${window.wan.home()}#jobs=${token}`;
  // Shows the link under which another browser finds the same jobs. Its token stands behind the #,
  // which is never sent to a server.
  function share(token) {
    const dialog = document.getElementById("wan-share");
    dialog.querySelector("input").value = linkOf(token);
    dialog.showModal();
    dialog.querySelector("input").select();
  }

  // Before the first look at the jobs: whoever came by a private link is asked whether it is meant,
  // because what is made then belongs to it.
  async function claimed([mine, ...jobs]) {
    const theirs = location.hash.match(LINK)?.[1];
    if (theirs) history.replaceState(null, "", location.pathname + location.search);
    if (!theirs || theirs === mine) return [mine, ...jobs];
    const dialog = document.getElementById("wan-claim");
    if (!dialog) return [mine, ...jobs];
    dialog.querySelector(".wan-own-link").hidden = !mine;
    dialog.querySelector("input").value = linkOf(mine);
    dialog.returnValue = "stay";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    return dialog.returnValue === "use" ? [theirs, ...jobs.map(() => "")] : [mine, ...jobs];
  }

  addEventListener("hashchange", () => LINK.test(location.hash) && location.reload());
  return { share, claimed };
})();
