// Theme, keys, dialogs and copies. Everything here only adds to pages that work without it.
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // ---- theme ----
  const themes = ["system", "light", "dark"];
  const showTheme = (name) => {
    const button = document.getElementById("theme");
    button.title = `Theme: ${name}`;
    button.querySelector("span").textContent = `Theme: ${name}`;
  };
  const setTheme = (name) => {
    if (name === "system") root.removeAttribute("data-theme"); else root.dataset.theme = name;
    try { localStorage.setItem("cloaca-theme", name); } catch { /* a private window keeps nothing */ }
    showTheme(name);
  };
  const nextTheme = () => setTheme(themes[(themes.indexOf(root.dataset.theme || "system") + 1) % 3]);

  // ---- rows: j and k move, enter opens ----
  const rows = () => all("[data-row]").filter((row) => row.checkVisibility());
  const link = (row) => row.matches("a") ? row : row.querySelector("a[href]");
  const move = (step) => {
    const list = rows(), here = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[here < 0 ? 0 : Math.min(list.length - 1, Math.max(0, here + step))];
    if (next) link(next).focus();
  };

  const open = (id) => {
    const dialog = document.getElementById(id);
    if (dialog) dialog.showModal();
    return Boolean(dialog);
  };

  // ---- a button copies its `data-copy`, or the text of the element `data-copy-of` ----
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copyOf);
    await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
    const label = button.querySelector("span"), before = label?.textContent;
    button.classList.add("done");
    if (label) label.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("done");
      if (label) label.textContent = before;
    }, 1500);
  };

  const press = (key) => {
    const button = all(`[data-key="${key}"]:not([aria-disabled])`).find((each) => each.checkVisibility());
    if (button) button.click();
    return Boolean(button);
  };

  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    const input = document.querySelector("[name=q]");
    if (event.key === "/" && input) input.focus();
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") open("keys");
    else if (!"rc".includes(event.key) || !press(event.key)) return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at("[aria-disabled='true']")) event.preventDefault();
    else if (at("[data-open]")) { if (open(at("[data-open]").dataset.open)) event.preventDefault(); }
    else if (at("dialog [data-close]")) { at("dialog").close(); event.preventDefault(); }
    else if (at("[data-copy], [data-copy-of]")) copy(at("[data-copy], [data-copy-of]"));
    else if (at("#theme")) nextTheme();
  });

  document.addEventListener("change", ({ target }) => { if (target.matches("[data-submits]")) target.form.requestSubmit(); });

  showTheme(root.dataset.theme || "system");
})();
