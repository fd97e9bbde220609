// Types of lk.js and of what goes on where it ends; read by `tsc` alone.

/** A change of one part, see core/render.py. */
interface Op {
  o: string;
  h: string;
  i: string;
  k: number;
  s: number;
  p: [number, number];
}
/** What the kernel says; each kind, `t`, has only some of the fields. */
interface Message {
  t: string;
  c: number; // the reply it is about
  ops: Op[];
  h: string;
  at: string;
  state: string;
  acts: string[];
  md: string;
  all: [string, string][];
}
interface Kernel {
  status: string;
  interrupt(): Promise<void>;
  statusChanged: { connect(f: (kernel: Kernel, status: string) => void): void };
}
interface Manager {
  kernel?: Kernel;
  rendermime?: { latexTypesetter?: { typeset(e: Element): Promise<void> | void } };
}
interface Model {
  get(name: string): any;
  send: Send;
  widget_manager: Manager;
  on(event: string, f: (content: { n: number; all: Message[] }) => void): void;
}
type Send = (content: object) => void;
type Take = (message: Message) => void;
type Button = HTMLButtonElement;
/** `fill` shows those that are known; `set` has the others set. */
interface Formulas {
  fill(within: ParentNode): Element[];
  set(within: Element): Promise<void>;
}
/** What holds for all views of one model. */
interface Bar {
  ask(t: string, c: number): Promise<Message>;
  dress(foot: HTMLElement, message: Message): void;
  stop(c: number): void;
  told: Take;
  answered(): boolean;
}
/** Draws what it is told; `stays`: past the end of its output. */
type Show = Take & { stays?: () => boolean };
type Kind = (model: Model, el: HTMLElement, bar: Bar) => Show;
/** A view's place, kept until the HTML that follows it is there. */
interface Held {
  area: HTMLElement;
  restore(node: Element): void;
}
