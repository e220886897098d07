// Shows the page of a plan in a dialog, and plans anew when other tasks are chosen.
(() => {
  const dialog = document.getElementById("plan"), body = document.getElementById("plan-body");
  const page = document.getElementById("plan-page");
  const place = body || page;
  const kept = () => new Map([...place.querySelectorAll("textarea[id], input.input[id]")].map((each) => [each.id, each.value]));
  const fill = (values) => values.forEach((value, id) => {
    const field = document.getElementById(id);
    if (field && value) field.value = value;
  });

  const show = async (address) => {
    const values = kept();
    await htmx.ajax("GET", address, { target: place, swap: "innerHTML", headers: { "HX-Target": "div#plan-body" } });
    fill(values);
    if (dialog && !dialog.open) dialog.showModal();
  };
  const planned = (form) => {
    const tasks = new FormData(form).getAll("task");
    return `${form.getAttribute("action")}?${new URLSearchParams(tasks.map((task) => ["task", task]))}`;
  };

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("[data-plan]"), close = event.target.closest("[data-close]");
    if (link && link.getAttribute("aria-disabled") !== "true") {
      event.preventDefault();
      show(link.getAttribute("href")).catch(() => { location.href = link.href; });
    } else if (close && dialog && dialog.contains(close)) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.addEventListener("change", (event) => {
    const field = event.target.closest("[data-replan]");
    if (field) show(planned(field.form));
  });
  // An act is sent once.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault(); else event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
