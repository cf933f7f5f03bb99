// Sets the chosen theme before anything is painted. The only script that is no module, because modules run too late.
(function () {
  try {
    const theme = localStorage.getItem("dlo.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* no storage: the system's theme */ }
})();
