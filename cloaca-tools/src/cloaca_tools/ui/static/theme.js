// Sets the theme before the page shows, and tells the server the time zone: a page with the times of
// another zone is asked for again before any of it shows.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("cloaca-theme"); } catch { return null; } };
  const asked = new URLSearchParams(location.search).get("theme") || stored();
  if (asked === "light" || asked === "dark") root.dataset.theme = asked;
  const zone = `cloaca_zone=${encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "")}`;
  const isTold = () => document.cookie.split("; ").includes(zone);
  if (isTold()) return;
  document.cookie = `${zone}; path=/; max-age=31536000; SameSite=Strict`;
  if (!isTold() || "posted" in root.dataset) return;  // no cookies, or what was filled in would be lost
  root.dataset.otherZone = "";
  location.reload();
})();
