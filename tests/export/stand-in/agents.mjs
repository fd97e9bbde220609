// Stands for @livekit/agents and its openai plugin: classes that keep what they are told, and ask nobody.

class Kept {
  constructor(told) {
    this.told = told;
  }
  chat(options) {
    return options;
  }
  on() {}
}
Kept.withGroq = Kept.withCerebras = (told) => new Kept(told);

export const LLM = Kept;
export const inference = { LLM: Kept, VAD: Kept, TurnDetector: Kept };
export { Kept as Agent, Kept as AgentSession, Kept as ServerOptions, Kept as ToolError };
export const AgentSessionEventTypes = { Error: "error" };
export const cli = { runApp: () => console.log("STARTED") };
export const defineAgent = (agent) => agent;
export const tool = (each) => each;
