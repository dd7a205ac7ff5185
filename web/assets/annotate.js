// Keys for the answers, and the time that an image was looked at. The page works without it.
"use strict";
const form = document.querySelector("form[data-keys]");
if (form) {
  const begin = performance.now();
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) { event.preventDefault(); return; }
    sent = true;
    form.elements.seconds.value = ((performance.now() - begin) / 1000).toFixed(2);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const found = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (found) { event.preventDefault(); found.click(); }
  });
}
