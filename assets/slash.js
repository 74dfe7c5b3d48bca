// All addresses of the page are relative: from /wan they would lead beside the app, from /wan/ they
// do not. A proxy that takes the path away does not say which of the two somebody has typed; the
// browser knows, and this runs before it has read any address.
if (!location.pathname.endsWith("/"))
  history.replaceState(
    history.state,
    "",
    `${location.pathname}/${location.search}${location.hash}`,
  );
