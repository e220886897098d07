// Sets the theme before the page shows, and tells the server the time zone: a page with the times of
// another zone is asked for again before any of it shows. A browser that comes for the first time has
// a page that asks for the zone alone; where it keeps or sends no cookie, its address has the zone.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("cloaca-theme"); } catch { return null; } };
  const asked = new URLSearchParams(location.search).get("theme") || stored();
  if (asked === "light" || asked === "dark") root.dataset.theme = asked;
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone || "local", asks = "asksZone" in root.dataset;
  const zone = `cloaca_zone=${encodeURIComponent(name)}`;
  const isTold = () => document.cookie.split("; ").includes(zone);
  const wasTold = isTold();
  if (wasTold && !asks) return;
  document.cookie = `${zone}; path=/; max-age=31536000; SameSite=Strict`;
  if (asks && (wasTold || !isTold())) {
    const address = new URL(location.href);
    address.searchParams.set("clock", name);
    location.replace(address);
    return;
  }
  if (!isTold() || "posted" in root.dataset) return;  // no cookies, or what was filled in would be lost
  root.dataset.otherZone = "";
  location.reload();
})();
