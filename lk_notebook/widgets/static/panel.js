// A panel. The kernel renders its controls, with `data-t` (what is sent) and `data-c` (which turn or column): one listener
// sends what was pressed or filled in; here is only what keys, the model list and the place need. It goes on where
// lk.js ends, as one module with it.

/** @typedef {HTMLInputElement & {disabled: boolean}} Control */

/**
 * Typing to filter, ↓ ↑ Enter Esc (ARIA 1.2), in any field of this role; one list serves them all.
 * @param {HTMLElement} root @param {Send} send
 */
function modelLists(root, send) {
  // whose list is open
  /** @type {Control | null} */ let field = null;
  const one = (/** @type {string} */ which) => /** @type {HTMLElement} */ (root.querySelector(which));
  const lines = () => /** @type {HTMLElement[]} */ ([...one(".lk-drop ul").children]);
  const shown = () => lines().filter((line) => !line.hidden);
  /** @param {HTMLElement | undefined} [line] */
  function mark(line) {
    for (const each of lines()) each.removeAttribute("id"), each.setAttribute("aria-selected", String(each === line));
    if (line) line.id = `${one(".lk-drop ul").id}-on`;
    line?.scrollIntoView({ block: "nearest" });
    field?.setAttribute("aria-activedescendant", line?.id ?? "");
  }
  /** @param {string} typed */
  function filter(typed) {
    for (const line of lines()) {
      const text = line.textContent?.toLowerCase();
      line.hidden = !typed.toLowerCase().split(/\s+/).every((word) => text?.includes(word));
    }
    const same = lines().find((line) => line.dataset.value === (typed || field?.defaultValue));
    const [first, second] = shown();
    const note = same || !typed ? 0 : first ? 1 : 2;
    [...one(".lk-drop .lk-note").children].forEach((each, i) => (/** @type {HTMLElement} */ (each).hidden = i !== note));
    // a short id is never a new one
    mark(typed ? (second || typed.includes("/") ? undefined : first) : same);
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
  function close(text = "") {
    const on = field;
    if (!on) return;
    mark();
    field = null;
    one(".lk-drop").hidden = true;
    on.value = on.defaultValue;
    on.setAttribute("aria-expanded", "false");
    if (text) send({ t: "model", c: Number(on.dataset.c), text });
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
    // the field has the focus
    event.preventDefault();
    if (!line && on) return on.focus(), open(on);
    close(/** @type {HTMLElement} */ (event.target).closest("li")?.dataset.value);
  });
  root.addEventListener("keydown", (event) => {
    const on = of(event);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!on) return;
    const all = shown();
    const at = field ? all.findIndex((line) => line.id) : -1;
    if (step && !field) open(on);
    else if (step && all.length) mark(all[(Math.max(at, step < 0 ? 0 : -1) + step + all.length) % all.length]);
    else if (!field) return;
    else if (event.key === "Enter") close(all[at]?.dataset.value ?? on.value.trim());
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  return () => field && filter(field.value === field.defaultValue ? "" : field.value.trim());
}

/**
 * Sends what is pressed, filled in, and typed; Enter sends it, ↑ in an empty composer brings the last question back.
 * @param {HTMLElement} root @param {Send} send @param {Bar} bar @param {(all?: boolean) => void} follow
 */
function controls(root, send, bar, follow) {
  const one = (/** @type {string} */ which) => /** @type {Control | null} */ (root.querySelector(which));
  // the composer, or a question that is edited
  const area = (c = "") => /** @type {Control} */ (one(`[data-enter="${c}"]`));
  function write(/** @type {string} */ text) {
    area().value = text;
    grow();
  }
  function grow() {
    area().style.height = "";
    area().style.height = `${Math.min(area().scrollHeight + 2, 160)}px`;
  }
  /** @param {string} [c] */
  function submit(c) {
    const text = area(c).value;
    if (!text.trim() || !one(".lk-go[data-t=send]:enabled")) return;
    send({ t: "send", c: c ? Number(c) : undefined, text });
    if (!c) write("");
    follow(true);
  }
  root.addEventListener("click", ({ target }) => {
    const b = /** @type {Control | null} */ (/** @type {HTMLElement} */ (target).closest("button[data-t]"));
    if (!b) return;
    const { t, c, text } = b.dataset;
    if ("copy" in b.dataset) return void copy(/** @type {any} */ (b), bar.ask(t ?? "", 0).then(({ md }) => md || Promise.reject()));
    if (t === "send" && !text) return submit(c);
    if (t === "stop") {
      b.disabled = true;
      one("[data-enter='']")?.focus();
    }
    send({ t, c: c && Number(c), text });
  });
  root.addEventListener("change", ({ target }) => {
    const { dataset, name, type, checked, value } = /** @type {Control} */ (target);
    if (dataset.t) send({ t: dataset.t, c: Number(dataset.c ?? 0), name, text: type === "checkbox" ? checked : value });
  });
  root.addEventListener("input", ({ target }) => target === area() && grow());
  root.addEventListener("keydown", (event) => {
    const c = /** @type {HTMLElement} */ (event.target).dataset.enter;
    const up = event.key === "ArrowUp" && c === "" && !area().value;
    const edit = one(".lk-turn:last-child [data-t=edit]");
    const last = one(".lk-asked")?.textContent;
    if (event.key === "Escape") return one(c ? `[data-t=cancel][data-c="${c}"]` : "[data-t=stop][data-c='-1']:enabled")?.click();
    if (c !== undefined && event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) submit(c);
    else if (up && edit) edit.click();
    else if (up && last) write(last);
    else return;
    event.preventDefault();
  });
  return write;
}

/**
 * Follows the end of whatever scrolls in it, unless the reader scrolled up; `Latest ↓` leads back.
 * @param {HTMLElement} root @returns {(all?: boolean) => void}
 */
function following(root) {
  /** @type {WeakMap<Element, {top: number, up: boolean}>} */
  const seen = new WeakMap();
  const note = (/** @type {Element} */ box, /** @type {boolean} */ up) => {
    seen.set(box, { top: box.scrollTop, up });
    const latest = /** @type {HTMLElement | null} */ (box.nextElementSibling);
    if (latest?.matches(".lk-latest")) latest.hidden = !up;
  };
  root.addEventListener("scroll", ({ target }) => {
    const box = /** @type {Element} */ (target);
    const before = seen.get(box);
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    note(box, below > 8 && Boolean(before?.up || (before && box.scrollTop < before.top - 1 && below > 24)));
  }, true);
  const follow = (all = false) => {
    for (const box of root.querySelectorAll("[data-follow]")) {
      const up = !all && (seen.get(box)?.up ?? false);
      if (!up) box.scrollTop = box.scrollHeight;
      note(box, up);
    }
  };
  root.addEventListener("click", ({ target }) => /** @type {Element} */ (target).matches(".lk-latest") && follow(true));
  return follow;
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
 * Moves a panel out of the document's output, which then holds the transcript alone, hidden while the panel is there;
 * tells the reader when its kernel is gone. @param {Model} model @param {HTMLElement} el @param {HTMLElement} root
 */
function place(model, el, root) {
  const over = ownKeys(root);
  let moved = false;
  let tries = 0;
  afterwards(model, () => {
    for (const each of root.querySelectorAll("input, select, textarea, button:not(.lk-latest)")) /** @type {Control} */ (each).disabled = true;
    root.querySelector(".lk-hint")?.replaceChildren(stopped());
  });
  const settle = () => {
    if (!el.isConnected) return void (tries++ < 600 && requestAnimationFrame(settle));
    const child = /** @type {HTMLElement | null} */ (el.closest(".jp-OutputArea-child"));
    const area = child?.parentElement;
    if (!area) return;
    moved = !el.parentElement?.closest(".jupyter-widgets");
    const look = () => {
      const own = [...area.children].filter((node) => node !== root && node.querySelector(`[data-lk-panel="${model.get("number")}"]`));
      for (const node of own) /** @type {HTMLElement} */ (node).style.display = "none";
      return own.length;
    };
    const end = () => {
      if (look()) return;
      observer.disconnect();
      root.remove();
      over();
      moved = false;
    };
    const observer = new MutationObserver(() => look() || (moved && !child.isConnected && setTimeout(end, 300)));
    observer.observe(area, { childList: true });
    if (moved) {
      root.classList.add("lk-moved");
      child.after(root);
      model.send({ t: "moved" });
    }
    look();
  };
  el.append(root);
  requestAnimationFrame(settle);
  return () => moved;
}

KINDS.panel = (model, el, bar) => {
  const send = (/** @type {object} */ content) => model.send(content);
  const root = element("div", { className: "lk-chat lk-view", role: "group", "aria-label": model.get("label") });
  const lists = modelLists(root, send);
  const follow = following(root);
  const write = controls(root, send, bar, follow);
  const show = framed(model, root, bar);
  let due = false;
  const take = (/** @type {Message} */ message) => {
    const composer = /** @type {Control | null} */ (root.querySelector("[data-enter='']"));
    if (message.t === "draft") composer?.value || write(message.h);
    // the frame stays, with what is typed in it
    else if (message.t !== "frame" || !composer) show(message);
    if (message.at === "models") lists();
    if (!due) queueMicrotask(() => ((due = false), follow()));
    due = true;
  };
  take.stays = place(model, el, root);
  return take;
};
