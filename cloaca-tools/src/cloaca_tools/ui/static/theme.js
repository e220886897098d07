// Sets the theme before the page shows, and tells the server the time zone for its next answer.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("cloaca-theme"); } catch { return null; } };
  const asked = new URLSearchParams(location.search).get("theme") || stored();
  if (asked === "light" || asked === "dark") root.dataset.theme = asked;
  const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "");
  const known = document.cookie.split("; ").includes(`cloaca_zone=${zone}`);
  if (!known) root.dataset.otherZone = "";  // the page has the times of another zone: see live.js
  document.cookie = `cloaca_zone=${zone}; path=/; max-age=31536000; SameSite=Strict`;
})();
