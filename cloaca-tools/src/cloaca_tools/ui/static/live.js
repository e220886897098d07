// The page asks for itself anew when something has changed, and says whether it is up to date: in the
// side, and over the content once it is not. An answer that is a refusal is not shown: an open page
// keeps what it has.
(() => {
  const TEXTS = { live: "Live", lost: "Not connected", many: "Many pages are open, trying again", old: "Not up to date" };
  const BARS = {
    lost: (at) => `Not connected since ${at}. What you see is of then.`,
    many: (at) => `Too many pages are open to follow changes. What you see is of ${at}.`,
    old: (at) => `Not up to date since ${at}. What you see is of then.`,
  };
  const AGAIN = 1_000;  // milliseconds
  let stream = "live", page = document.getElementById("live").dataset.state || "live", later;
  let good = page === "live" ? new Date() : null;  // when the page was known to be up to date

  const current = () => stream === "live" ? page : stream;
  const timeOf = (date) => [date.getHours(), date.getMinutes()].map((each) => String(each).padStart(2, "0")).join(":");
  const show = () => {
    const live = document.getElementById("live"), bar = document.querySelector("#lost > p"), state = current();
    if (state === "live") good = new Date();
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.title = state === "live" ? "Changes show as they happen" : TEXTS[state];
    document.getElementById("live-state").textContent = TEXTS[state];
    bar.hidden = state === "live" || !good;
    bar.textContent = bar.hidden ? "" : BARS[state](timeOf(good));
  };
  const failed = (status) => {
    if (status === 429) return "many";
    return status === undefined || status === 401 || status >= 500 ? "lost" : "old";
  };
  const tryAgain = (name) => {
    clearTimeout(later);
    later = setTimeout(() => htmx.trigger("#live", name), AGAIN);
  };

  // ---- the page asks at the address that it has now ----
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement.id === "page") ctx.request.action = location.pathname + location.search;
  });

  // ---- an answer, or none, to an element of the page or to the first request of the stream ----
  const answered = (source, status) => {
    const state = status < 400 ? "live" : failed(status);
    if (source === "live") stream = state; else page = state;
    if (state === "lost" || state === "many") tryAgain(source === "live" ? "seen" : "changed");
    show();
  };
  const isWhole = ({ sourceElement }) => ["page", "live"].includes(sourceElement.id);
  const isDialog = ({ sourceElement }) => sourceElement === document.body;  // it shows its refusals
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail, { status } = ctx.response;
    if (isDialog(ctx) || (status < 500 && !isWhole(ctx))) return;
    answered(ctx.sourceElement.id, status);
    if (status >= 400) event.preventDefault();
  });
  document.addEventListener("htmx:error", (event) => {
    const { ctx } = event.detail;
    if (ctx?.request && !ctx.response && !isDialog(ctx)) answered(ctx.sourceElement.id, undefined);
  });

  // ---- the stream, which htmx opens again by itself ----
  const streamIs = (state) => () => { stream = state; show(); };
  document.addEventListener("htmx:sse:error", ({ detail }) => streamIs(failed(detail.status))());
  document.addEventListener("htmx:sse:after:connection", streamIs("live"));
  document.addEventListener("htmx:sse:close", () => { answered("live", undefined); });

  // ---- who looks again, or is on line again, does not wait for the next trial ----
  let connection;
  document.addEventListener("htmx:sse:before:connection", ({ detail }) => { connection = detail.connection; });
  const now = () => {
    if (document.hidden || current() === "live") return;
    clearTimeout(later);
    connection?.delayCanceller?.();
    htmx.trigger("#live", "seen");
    if (page !== "live") htmx.trigger("#live", "changed");
  };
  document.addEventListener("visibilitychange", now);
  for (const event of ["focus", "online"]) addEventListener(event, now);

  // ---- it opens when the page is seen; htmx closes it while it is not ----
  const seen = () => {
    if (document.hidden) document.addEventListener("visibilitychange", seen, { once: true });
    else htmx.trigger("#live", "seen");
  };
  document.addEventListener("DOMContentLoaded", seen);  // after htmx, which has listened before
})();
