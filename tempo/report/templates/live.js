/* A live page asks its server what is new, and loads itself again when there is something. */
function live() {
  const box = byId("live");
  if (!box) return;
  const beat = byId("beat");
  const key = `tempo-folds ${location.pathname}`;
  const folds = () => Object.fromEntries(all("section[id] > details.fold").map((each) => [each.parentElement.id, each.open]));
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    for (const each of all("section[id] > details.fold")) {
      const open = kept[each.parentElement.id];
      if (open !== undefined) each.open = open;
    }
  } catch { /* A page of a browser without storage opens as it was sent. */ }
  /* What someone types or selects is not taken from under their hands. */
  const busy = () => document.activeElement?.matches("input") || !getSelection().isCollapsed;
  const ask = async () => {
    let wait = box.dataset.over === "yes" ? 10000 : 2000;
    try {
      const reply = await fetch("state", { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (!reply.ok) throw new Error(await reply.text());
      const state = await reply.json();
      if (state.version !== box.dataset.version && !busy()) {
        try { sessionStorage.setItem(key, JSON.stringify(folds())); } catch { /* as above */ }
        location.reload();
        return;
      }
      box.classList.remove("lost");
      if (beat.dataset.read) beat.textContent = beat.dataset.read;
    } catch {
      beat.dataset.read ??= beat.textContent;
      beat.textContent = `${beat.dataset.read} No answer since: tempo watch has ended, or is busy. The study does not depend on it.`;
      box.classList.add("lost");
      wait = 5000;
    }
    setTimeout(ask, wait);
  };
  setTimeout(ask, 2000);
}

addEventListener("DOMContentLoaded", live);
