// Imports the program that each line of stdin names, and writes what it would tell LiveKit's classes. Beside it stand
// packages whose classes only keep what they are told.

import { createInterface } from "node:readline";

for await (const file of createInterface({ input: process.stdin })) {
  const program = await import(file);
  const model = program.llm();
  console.log(JSON.stringify({ instructions: program.instructions, told: model.told, each: model.chat({}) }));
}
