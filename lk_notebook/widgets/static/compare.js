// A panel whose controls the kernel renders: several models side by side, a recorded lesson. It goes on where panel.js ends, as one module with lk.js.

KINDS.compare = (model, el, bar) => {
  const send = (/** @type {object} */ content) => model.send(content);
  const root = element("div", { className: "lk-chat lk-many lk-view", role: "group", "aria-label": model.get("label"), "data-view": model.get("number") });
  const lists = modelLists(root, send);
  const write = controls(root, send);
  const follow = following(root);
  const show = framed(model, root, bar);
  const there = place(model, el, root);
  let due = false;
  const take = (/** @type {Message} */ message) => {
    const composer = /** @type {Control | null} */ (root.querySelector("[data-enter]"));
    if (message.t === "draft") composer?.value || write(message.h);
    else if (message.t !== "frame" || !composer) show(message); // the frame stays, with what is typed in it
    if (message.at === "models") lists();
    if (!due) queueMicrotask(() => ((due = false), follow()));
    due = true;
  };
  take.stays = there.stays;
  return take;
};
