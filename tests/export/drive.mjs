// Runs exported Node.js programs, each with LiveKit's own SDK: jobs come on stdin as JSON, and a word on each goes out.
// A job is {file, prompt, tools, voice}. Its program is imported, and its session's LLM is asked as an AgentSession asks it; with
// `voice` it has ears, a voice, and turn detection.

import { readFileSync } from "node:fs";
import { AgentSession, initializeLogger, llm } from "@livekit/agents";

initializeLogger({ pretty: false, level: "fatal" });
const connOptions = { maxRetry: 0, retryIntervalMs: 100, timeoutMs: 30000 };

const ask = async ({ file, prompt, tools, voice }) => {
  const program = await import(file);
  const session = program.buildSession();
  if (!(session instanceof AgentSession)) throw new Error("buildSession() gave no AgentSession");
  if (voice && !(session.stt && session.tts && session.vad && session.turnDetection)) throw new Error("no speech");
  const model = session.llm instanceof llm.LLM ? session.llm : program.llm();
  const chatCtx = llm.ChatContext.empty();
  if (program.instructions) chatCtx.addMessage({ role: "system", content: program.instructions });
  chatCtx.addMessage({ role: "user", content: prompt });
  const toolCtx = tools.map((name) => llm.tool({ name, description: name, execute: async () => name }));
  let [text, failed] = ["", null];
  model.on("error", (event) => (failed = event.error));
  for await (const chunk of model.chat({ chatCtx, toolCtx, connOptions })) text += chunk.delta?.content ?? "";
  if (failed) throw failed;
  return text;
};

for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    console.log(JSON.stringify({ text: await ask(job) }));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error.name}: ${error.message}` }));
  }
}
process.exit(0);
