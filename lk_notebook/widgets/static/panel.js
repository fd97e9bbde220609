// What panels share. The kernel renders their controls, with `data-t` (what is sent) and `data-c` (which column):
// one listener sends what was pressed or filled in; here is only what keys, the model list and the place need.

/** @typedef {HTMLInputElement & {disabled: boolean}} Control */

/**
 * Typing to filter, ↓ ↑ Enter Esc (ARIA 1.2), in any field of this role; one list serves them all.
 * @param {HTMLElement} root @param {Send} send
 */
function modelLists(root, send) {
  /** @type {Control | null} */ let field = null; // whose list is open
  const one = (/** @type {string} */ which) => /** @type {HTMLElement} */ (root.querySelector(which));
  const lines = () => /** @type {HTMLElement[]} */ ([...one(".lk-drop ul").children]);
  /** @param {HTMLElement | undefined} [line] */
  function mark(line) {
    for (const each of lines()) each.removeAttribute("id"), each.setAttribute("aria-selected", String(each === line));
    if (line) line.id = `${one(".lk-drop ul").id}-on`;
    line?.scrollIntoView({ block: "nearest" });
    field?.setAttribute("aria-activedescendant", line?.id ?? "");
  }
  /** @param {string} typed */
  function filter(typed) {
    const words = typed.toLowerCase().split(/\s+/);
    for (const line of lines()) line.hidden = !words.every((word) => line.textContent?.toLowerCase().includes(word));
    const known = !typed || lines().some((line) => line.dataset.value === typed);
    const note = known ? 0 : lines().some((line) => !line.hidden) ? 1 : 2;
    [...one(".lk-drop .lk-note").children].forEach((each, i) => (/** @type {HTMLElement} */ (each).hidden = i !== note));
    mark(typed ? undefined : lines().find((line) => line.dataset.value === field?.defaultValue));
  }
  /** @param {Control} on */
  function open(on, typed = "") {
    if (!field) {
      field = on;
      send({ t: "models" });
      const drop = one(".lk-drop"), there = on.getBoundingClientRect(), around = root.getBoundingClientRect();
      drop.hidden = false;
      drop.style.top = `${there.bottom - around.top}px`;
      drop.style.left = `${Math.max(0, Math.min(there.left - around.left, around.width - drop.offsetWidth - 8))}px`;
      on.setAttribute("aria-expanded", "true");
      if (!typed) on.select();
    }
    filter(typed);
  }
  function close(chosen = "") {
    const on = field;
    if (!on) return;
    mark();
    field = null;
    one(".lk-drop").hidden = true;
    on.value = on.defaultValue;
    on.setAttribute("aria-expanded", "false");
    if (chosen) send({ t: "model", c: Number(on.dataset.c), text: chosen });
  }
  /** @param {Event} event */
  const of = ({ target }) => {
    const on = /** @type {Control} */ (target);
    return on.getAttribute("role") === "combobox" ? on : null;
  };
  root.addEventListener("input", (event) => of(event) && open(/** @type {Control} */ (event.target), of(event)?.value.trim()));
  root.addEventListener("focusout", (event) => of(event) && close());
  root.addEventListener("mousedown", (event) => {
    const line = /** @type {HTMLElement} */ (event.target).closest?.(".lk-drop");
    const on = of(event);
    if (!line && (!on || field)) return;
    event.preventDefault(); // the field has the focus
    if (!line && on) return on.focus(), open(on);
    close(/** @type {HTMLElement} */ (event.target).closest("li")?.dataset.value);
  });
  root.addEventListener("keydown", (event) => {
    const on = of(event);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!on) return;
    const shown = lines().filter((line) => !line.hidden);
    const at = field ? shown.findIndex((line) => line.id) : -1;
    if (step && !field) open(on);
    else if (step && shown.length) mark(shown[(Math.max(at, step < 0 ? 0 : -1) + step + shown.length) % shown.length]);
    else if (!field) return;
    else if (event.key === "Enter") close(shown[at]?.dataset.value ?? on.value.trim());
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  return () => field && filter(field.value === field.defaultValue ? "" : field.value.trim());
}

/**
 * Sends what is pressed, filled in, and typed into the composer; Enter sends it, ↑ brings the last question back.
 * @param {HTMLElement} root @param {Send} send
 */
function controls(root, send) {
  const composer = () => /** @type {Control} */ (root.querySelector("[data-enter]"));
  function grow() {
    composer().style.height = "";
    composer().style.height = `${Math.min(composer().scrollHeight + 2, 160)}px`;
  }
  function write(/** @type {string} */ text) {
    composer().value = text;
    grow();
  }
  function submit() {
    const text = composer().value;
    if (!text.trim() || !root.querySelector("[data-t=send]:enabled")) return;
    send({ t: "send", text });
    write("");
  }
  root.addEventListener("click", ({ target }) => {
    const b = /** @type {Control | null} */ (/** @type {HTMLElement} */ (target).closest("button[data-t]"));
    if (!b) return;
    const { t, c, text } = b.dataset;
    if (t === "send" && !text) return submit();
    if (t === "stop") b.disabled = true;
    send({ t, c: Number(c ?? 0), text });
  });
  root.addEventListener("change", ({ target }) => {
    const { dataset, name, type, checked, value } = /** @type {Control} */ (target);
    if (dataset.t) send({ t: dataset.t, c: Number(dataset.c ?? 0), name, text: type === "checkbox" ? checked : value });
  });
  root.addEventListener("input", ({ target }) => target === composer() && grow());
  root.addEventListener("keydown", (event) => {
    const typing = event.target === composer();
    const last = root.querySelector(".lk-asked")?.textContent;
    if (event.key === "Escape") return /** @type {Control | null} */ (root.querySelector("[data-t=stop][data-c='-1']:enabled"))?.click();
    if (typing && event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) submit();
    else if (typing && event.key === "ArrowUp" && !composer().value && last) write(last);
    else return;
    event.preventDefault();
  });
  return write;
}

/** Follows the end of whatever scrolls in it, unless the reader scrolled up. @param {HTMLElement} root */
function following(root) {
  /** @type {WeakMap<Element, {top: number, up: boolean}>} */
  const seen = new WeakMap();
  root.addEventListener("scroll", ({ target }) => {
    const box = /** @type {Element} */ (target);
    const before = seen.get(box);
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    const up = below > 8 && Boolean(before?.up || (before && box.scrollTop < before.top - 1 && below > 24));
    seen.set(box, { top: box.scrollTop, up });
  }, true);
  return () => {
    for (const box of root.querySelectorAll("[data-follow]")) {
      if (!seen.get(box)?.up) box.scrollTop = box.scrollHeight;
      seen.set(box, { top: box.scrollTop, up: seen.get(box)?.up ?? false });
    }
  };
}

/**
 * Where keys are typed, JupyterLab's shortcuts are not meant (Ctrl+S still saves), and a new line is one: it would
 * take each within a cell for Shift+Enter. @param {HTMLElement} root
 */
function ownKeys(root) {
  const over = new AbortController();
  const how = { capture: true, signal: over.signal };
  window.addEventListener("keydown", (event) => {
    const on = /** @type {HTMLElement} */ (event.target);
    if (root.contains(on)) on.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey) || event.key === "Enter");
  }, how);
  window.addEventListener("beforeinput", (event) => {
    if (event.inputType === "insertLineBreak" && root.contains(/** @type {Node} */ (event.target))) event.stopPropagation();
  }, how);
  return () => over.abort();
}

/**
 * Moves a panel out of the document's output, which then holds the transcript alone, hidden while the panel is there.
 * @param {HTMLElement} el @param {HTMLElement} root @param {string} number @param {() => void} moved @param {() => void} left
 */
function moveOut(el, root, number, moved, left) {
  const child = /** @type {HTMLElement | null} */ (el.closest(".jp-OutputArea-child"));
  const area = child?.parentElement;
  if (!child || !area) return;
  const alone = !el.parentElement?.closest(".jupyter-widgets");
  const own = () => /** @type {HTMLElement[]} */ ([...area.children]).filter((node) => node !== root && node.querySelector(`[data-lk-panel="${number}"]`));
  const look = () => {
    for (const node of own()) node.style.display = "none";
    if (alone && !child.isConnected && !own().length) setTimeout(() => own().length || end(), 300);
  };
  const observer = new MutationObserver(look);
  const end = () => {
    observer.disconnect();
    root.remove();
    left();
  };
  observer.observe(area, { childList: true });
  if (alone) {
    root.classList.add("lk-moved");
    child.after(root);
    moved();
  }
  look();
}

/**
 * Puts a panel where it stands, and tells the reader when its kernel is gone.
 * @param {Model} model @param {HTMLElement} el @param {HTMLElement} root
 */
function place(model, el, root) {
  const over = ownKeys(root);
  let off = false;
  let moved = false;
  let tries = 0;
  model.widget_manager?.kernel?.statusChanged?.connect((_, state) => {
    if (off || !GONE.includes(state)) return;
    off = true;
    for (const each of root.querySelectorAll("input, select, textarea, button")) {
      /** @type {Control} */ (each).disabled = each.textContent !== "Latest ↓";
    }
    root.querySelector(".lk-hint")?.replaceChildren(element("span", { className: "lk-gone", textContent: "Kernel stopped" }));
  });
  const settle = () => {
    const number = model.get("number");
    if (el.isConnected) moveOut(el, root, number, () => ((moved = true), model.send({ t: "moved" })), () => ((moved = false), over()));
    else if (tries++ < 600) requestAnimationFrame(settle);
  };
  el.append(root);
  requestAnimationFrame(settle);
  return { off: () => off, stays: () => moved };
}
