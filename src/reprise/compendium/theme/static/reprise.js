// What pages do beyond standing there: filters of the dashboard, signs of the front page, folding of code.
// Every page works without it.
"use strict";

(() => {
  const form = document.querySelector("form.filters");
  if (form) filterClaims(form);

  document.querySelectorAll(".front .claim-dot").forEach((dot) => {
    dot.addEventListener("click", () => location.assign(dot.dataset.href));
  });

  foldCode();

  function filterClaims(form) {
    const claims = [...document.querySelectorAll("table.claims tbody[data-claim]")];
    const status = form.querySelector(".filter-status");
    const nothing = document.querySelector(".nothing");
    const FIELDS = ["topic", "profile", "text"];

    const state = () => {
      const wanted = new URLSearchParams();
      const verdicts = [...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value);
      if (verdicts.length) wanted.set("verdict", verdicts.join(","));
      for (const name of FIELDS) {
        const value = form.elements[name].value.trim();
        if (value) wanted.set(name, value);
      }
      return wanted;
    };

    const show = (wanted) => {
      const verdicts = (wanted.get("verdict") || "").split(",").filter(Boolean);
      const words = (wanted.get("text") || "").toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const claim of claims) {
        const { verdict, topic, profile, text } = claim.dataset;
        const fits =
          (!verdicts.length || verdicts.includes(verdict)) &&
          (!wanted.get("topic") || wanted.get("topic") === topic) &&
          (!wanted.get("profile") || wanted.get("profile") === profile) &&
          words.every((word) => text.includes(word));
        claim.hidden = !fits;
        if (fits) shown += 1;
      }
      status.textContent = shown === claims.length ? `All ${shown} claims.` : `${shown} of ${claims.length} claims.`;
      nothing.hidden = shown > 0;
    };

    const fromAddress = () => {
      const wanted = new URLSearchParams(location.hash.slice(1));
      const verdicts = (wanted.get("verdict") || "").split(",");
      form.querySelectorAll("[name=verdict]").forEach((box) => (box.checked = verdicts.includes(box.value)));
      for (const name of FIELDS) form.elements[name].value = wanted.get(name) || "";
      show(state());
    };

    const changed = () => {
      const wanted = state();
      const hash = wanted.toString();
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
      show(wanted);
    };

    form.hidden = false;
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(changed));
    window.addEventListener("hashchange", fromAddress);
    fromAddress();
  }

  function foldCode() {
    const folds = [...document.querySelectorAll(".bd-article div.cell details.hide")];
    const place = document.querySelector(".fold-all");
    if (!folds.length || !place) return;
    const button = document.createElement("button");
    button.type = "button";
    const label = () => (button.textContent = folds.every((fold) => fold.open) ? "Hide all code" : "Show all code");
    button.addEventListener("click", () => {
      const open = !folds.every((fold) => fold.open);
      folds.forEach((fold) => (fold.open = open));
      label();
    });
    folds.forEach((fold) => fold.addEventListener("toggle", label));
    label();
    place.append(button);
  }

  // A printed page shows what is folded.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll(".bd-article details").forEach((fold) => (fold.open = true));
  });
})();
