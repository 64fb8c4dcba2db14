/* A displayed formula that is wider than the screen scrolls; so that a keyboard can scroll it, it takes
 * the focus. MathJax typesets after this script has loaded, and a window may change its width. */
"use strict";

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const reach = () => {
    for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  };
  reach();
  addEventListener("resize", reach);
});
