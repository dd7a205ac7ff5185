// Follows a run that is under way. Pages are complete without it.
"use strict";
const list = document.querySelector("[data-events]");
if (list) {
  const status = document.getElementById("status");
  const source = new EventSource(list.dataset.events);
  let said = 0;
  source.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    news.rows.forEach(([done, of], row) => {
      const text = list.querySelector(`[data-row="${row}"]`);
      const bar = list.querySelector(`[data-bar="${row}"]`);
      if (text) text.textContent = done < of ? `${done} of ${of} images` : "";
      if (bar) { bar.max = of; bar.value = done; }
    });
    // Screen readers speak the status: not more often than every ten seconds.
    if (status && (news.finished || Date.now() - said > 10000)) {
      said = Date.now();
      if (news.finished) status.textContent = "All images are done. Reload this page for the final tables.";
      else if (news.left) status.textContent = `About ${minutes(news.left)} left.`;
    }
    if (news.finished) source.close();
  });
  window.addEventListener("pagehide", () => source.close());
}
function minutes(seconds) {
  return seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
}
