// The list of runs: what an open page shows stays in place, what is selected stays so, and filters
// are kept in this browser. The list works without it.
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // ---- the page asks for itself anew with the rows that it shows ----
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const shown = all("#runs-list [data-id]").map((row) => row.dataset.id);
    if (ctx.sourceElement.id !== "page" || !shown.length) return;
    const query = new URLSearchParams(location.search);
    query.set("shown", shown.join(","));
    ctx.request.action = `${location.pathname}?${query}`;
  });

  // ---- selection: how many runs each act is about ----
  const able = {
    Retry: ["failed", "cancelled"],
    Pause: ["pending", "running", "waiting"],
    Resume: ["paused"],
    Cancel: ["pending", "running", "waiting", "paused"],
  };
  const picks = () => all("#runs-list [name=id]");
  const count = () => {
    if (!byId("runs-bulk")) return;
    const boxes = picks(), picked = boxes.filter((box) => box.checked);
    const whole = document.querySelector("#runs-bulk [name=all]");
    const every = Boolean(whole && whole.checked);
    const states = picked.map((box) => box.closest("tr").dataset.state);
    const says = every ? "All that match" : `${picked.length} selected`;  // read aloud when it changes
    if (byId("runs-picked").textContent !== says) byId("runs-picked").textContent = says;
    for (const button of all("[data-bulk]")) {
      const label = button.dataset.bulk;
      const number = states.filter((state) => able[label].includes(state)).length;
      button.querySelector("span").textContent = every ? `${label}…` : number ? `${label} ${number}…` : label;
      const cannot = !every && !number;
      if (cannot) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
      button.title = cannot ? `None of the selected runs: only ${able[label].join(", ")} ones` : "";
    }
    const head = byId("runs-all");
    head.checked = picked.length > 0 && picked.length === boxes.length;
    head.indeterminate = picked.length > 0 && !head.checked;
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "runs-all") picks().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.closest("#runs-list")) count();
  });

  // ---- filters that are kept in this browser ----
  const key = "cloaca-filters";
  const kept = () => {
    try {
      const found = JSON.parse(localStorage.getItem(key) || "[]");
      return Array.isArray(found) ? found.filter((each) => typeof each === "string").slice(0, 20) : [];
    } catch { return []; }
  };
  const keep = (filters) => {
    try { localStorage.setItem(key, JSON.stringify(filters)); } catch { /* a private window keeps nothing */ }
    showKept();
  };
  const element = (name, text, attributes) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    return made;
  };
  // They are made anew only when they change: one of them may have the focus.
  const showKept = () => {
    const bar = byId("runs-saved"), list = byId("runs-kept"), filters = kept();
    if (!bar) return;
    const shown = JSON.stringify([filters, bar.dataset.here]);
    if (list.filters === shown) return;
    list.filters = shown;
    list.replaceChildren();
    for (const filter of filters) {
      const link = element("a", filter, { class: "kept", href: `${bar.dataset.runs}?${new URLSearchParams({ q: filter })}` });
      if (filter === bar.dataset.here) link.setAttribute("aria-current", "true");
      list.append(link);
    }
    const here = bar.dataset.here;
    if (!here) return;
    const isKept = filters.includes(here);
    const button = element("button", isKept ? "Forget this filter" : "Save this filter", { type: "button", class: "btn btn-quiet btn-small kept" });
    button.addEventListener("click", () => keep(isKept ? filters.filter((each) => each !== here) : [...filters, here]));
    if (isKept || !document.querySelector("#runs-saved a[aria-current]")) list.append(button);
  };

  document.addEventListener("htmx:after:swap", () => { count(); showKept(); });
  count();
  showKept();
})();
