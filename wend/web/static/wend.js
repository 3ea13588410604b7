// What moves: the log, and regions marked data-live. Every page works without this file.
"use strict";

// A region says how often (ms) it wants to be looked at again; it is replaced only when it changed and nobody is in it.
const look = async () => {
  const region = document.querySelector("[data-live]");
  if (!region) return;
  await new Promise((done) => setTimeout(done, Number(region.dataset.live)));
  const busy = region.contains(document.activeElement) || region.querySelector("details[open]") || String(getSelection());
  if (!document.hidden && !busy) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer && answer.redirected) return location.reload();
    const fresh = answer && answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh && fresh.outerHTML !== region.outerHTML) region.replaceWith(fresh);
  }
  look();
};

// The log comes as HTML that the server escaped, one element a line.
const follow = async (log) => {
  const state = document.getElementById("log-state");
  const bottom = () => { log.scrollTop = log.scrollHeight; };
  bottom();
  for (;;) {
    try {
      const answer = await fetch(log.dataset.follow);
      if (!answer.ok) throw new Error(answer.status);
      state.textContent = "Following. Times in UTC.";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        const lines = (rest + step.value).split("\n");
        rest = lines.pop();
        const low = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
        log.insertAdjacentHTML("beforeend", lines.join(""));
        while (log.childElementCount > 5000) log.firstElementChild.remove();
        if (low) bottom();
      }
    } catch { /* the platform restarts, or the network went away: tell, and try again */ }
    state.textContent = "Not connected; trying again.";
    await new Promise((done) => setTimeout(done, 2000));
  }
};

const log = document.querySelector("[data-follow]");
if (log) follow(log);
look();
