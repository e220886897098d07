// Saves a drawing as an SVG file that needs no style sheet: what styles say becomes attributes.
globalThis.graphSave = (() => {
  const SVG = "http://www.w3.org/2000/svg", MARGIN = 12;
  const WORDS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "font-family", "font-size", "font-weight", "text-anchor"];
  const PLACES = ["x", "y", "width", "height", "rx"];
  const LEFT = new Set(["title", "use"]);

  const styled = (copy, style) => {
    for (const name of copy.localName === "text" ? WORDS : WORDS.slice(0, 6)) copy.setAttribute(name, style.getPropertyValue(name));
    if (copy.localName === "rect") for (const name of PLACES) copy.setAttribute(name, style.getPropertyValue(name).replace("px", "").replace("auto", "0"));
  };

  // A symbol of the page, as a group of its own.
  const inlined = (use) => {
    const symbol = document.querySelector(use.getAttribute("href")), style = getComputedStyle(use), group = document.createElementNS(SVG, "g");
    const { x, y, width } = Object.fromEntries(["x", "y", "width"].map((name) => [name, Number(use.getAttribute(name))]));
    group.setAttribute("transform", `translate(${x} ${y}) scale(${width / symbol.viewBox.baseVal.width})`);
    for (const name of WORDS.slice(0, 6)) group.setAttribute(name, style.getPropertyValue(name));
    group.append(...[...symbol.children].map((child) => child.cloneNode(true)));
    for (const each of group.querySelectorAll("*")) {
      for (const name of ["fill", "stroke"]) if (each.getAttribute(name) === "currentColor") each.setAttribute(name, style.color);
      each.removeAttribute("class");
    }
    return group;
  };

  const copyOf = (element) => {
    if (element.localName === "use") return element.getAttribute("href") ? [inlined(element)] : [];
    const style = getComputedStyle(element);
    if (element.classList.contains("ring") && style.stroke === "none") return [];
    const name = element.localName === "a" ? "g" : element.localName, copy = document.createElementNS(SVG, name);
    for (const kept of ["d", "transform"]) if (element.hasAttribute(kept)) copy.setAttribute(kept, element.getAttribute(kept));
    if (name !== "g" && !LEFT.has(name)) styled(copy, style);
    if (name === "text") for (const at of ["x", "y"]) copy.setAttribute(at, element.getAttribute(at));
    for (const child of element.childNodes) copy.append(...child.nodeType === Node.TEXT_NODE ? [child.cloneNode()] : copyOf(child));
    return [copy];
  };

  const drawing = (svg, { width, height }) => {
    const all = document.createElementNS(SVG, "svg"), ground = document.createElementNS(SVG, "rect"), [view] = copyOf(svg.querySelector(".view"));
    const box = [-MARGIN, -MARGIN, width + 2 * MARGIN, height + 2 * MARGIN];
    all.setAttribute("viewBox", box.join(" "));
    PLACES.slice(0, 4).forEach((name, each) => ground.setAttribute(name, box[each]));
    for (const name of ["width", "height"]) all.setAttribute(name, ground.getAttribute(name));
    ground.setAttribute("fill", getComputedStyle(svg.closest(".panel") || document.body).backgroundColor);
    view.removeAttribute("transform");
    all.append(ground, view);
    return new XMLSerializer().serializeToString(all);
  };

  return (svg, size, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([drawing(svg, size)], { type: "image/svg+xml" }));
    link.download = `${name}.svg`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
})();
