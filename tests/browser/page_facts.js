// What can be told of a page that has loaded, for site_survey.py. Called with whether it is on paper.
(paper) => {
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const where = (e) => {
    const near = e.closest("[id]");
    const classes = [...e.classList].slice(0, 3).map((c) => "." + c).join("");
    const text = (e.textContent || "").trim().replace(/\s+/g, " ").slice(0, 50);
    return `${near && near !== e ? "#" + near.id + " " : ""}${e.localName}${e.id ? "#" + e.id : ""}${classes} "${text}"`;
  };
  const all = (selector) => [...document.querySelectorAll(selector)];

  if (paper) {
    const furniture =
      ".bd-sidebar, .bd-header-article, .prev-next-footer, #pst-back-to-top, #pst-skip-link, " +
      ".copybtn, .headerlink, .chapter-links, dialog";
    return {
      furniture: all(furniture).filter(shown).map(where),
      folded: all("main details:not(.hide)").filter((d) => d.querySelector("summary") && shown(d))
        .filter((d) => ![...d.children].some((c) => c.localName !== "summary" && shown(c)))
        .map(where),
    };
  }

  const counts = {};
  for (const e of all("[id]")) {
    if (!e.closest("[id^=bertviz]")) counts[e.id] = (counts[e.id] || 0) + 1; // views repeat bertviz's own
  }

  const raw = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.closest("pre, code, script, style, textarea, mjx-container")) continue;
    if (/\\[([]|\$\$|\\begin\{/.test(walker.currentNode.data) && shown(parent)) raw.push(where(parent));
  }

  const width = document.documentElement.clientWidth;
  const wide = [];
  if (document.documentElement.scrollWidth > width) {
    const scrolls = (e) => {
      for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(p).overflowX)) return true;
      }
      return false;
    };
    for (const e of all("body *:not(.skip-link, .skip-link *)")) {
      if (e.getBoundingClientRect().right > width + 1 && shown(e) && !scrolls(e)) wide.push(where(e));
    }
    if (!wide.length) wide.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  }

  const images = [...document.images].filter((i) => shown(i) || i.closest("details:not([open])"));
  return {
    theme: document.documentElement.dataset.theme,
    formulas: all(".math").length,
    unrendered: all(".math").filter((e) => !e.querySelector("mjx-container")).map(where),
    mathErrors: all("mjx-merror").map((e) => where(e.closest(".math") || e) + " " +
      (e.getAttribute("data-mjx-error") || "")),
    raw,
    images: images.length,
    missing: images.filter((i) => !(i.complete && i.naturalWidth > 0)).map((i) => i.currentSrc || i.src),
    headings: all("main :is(h1, h2, h3, h4, h5, h6)").filter(shown)
      .map((h) => [Number(h.localName[1]), h.textContent.trim().slice(0, 60)]),
    ids: Object.keys(counts),
    repeated: Object.keys(counts).filter((id) => counts[id] > 1),
    links: all("a[href]").map((a) => a.href),
    wide: wide.slice(0, 5),
    moving: all("body *").filter((e) => {
      const style = getComputedStyle(e);
      const lasts = (v) => v.split(",").some((t) => parseFloat(t) > 0.01);
      return lasts(style.transitionDuration) || (style.animationName !== "none" && lasts(style.animationDuration))
        || style.scrollBehavior === "smooth";
    }).map(where).slice(0, 5),
  };
}
