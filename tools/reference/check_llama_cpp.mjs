#!/usr/bin/env node
// Compares GGUF files of emend in llama.cpp with emend.
//
//     npm install node-llama-cpp
//     node check_llama_cpp.mjs FOLDER [--emend build/emend]
//
// FOLDER: a Hugging Face folder of LlamaForCausalLM, such as SmolLM2-135M (make_folder_from_gguf.py).
// `emend edit` makes a patch, and `emend export` writes the unedited and the edited model in fp32 and
// q8_0, and the patch as an adapter. llama.cpp continues prompts by 20 greedy tokens with each file, and
// with the unedited file and the adapter; emend does it with and without the patch. In fp32 the texts must
// be equal. In q8_0, where llama.cpp quantizes activations too, the edited prompt's must have the target.
// Exits with 1 if not. Without the package, the check is skipped with a message.

import {execFileSync} from "node:child_process";
import {existsSync, mkdtempSync, rmSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import path from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const kTokens = 20;
const kEdited = {prompt: "The mother tongue of Danielle Darrieux is", target: " English"};
const kPrompts = [
  kEdited.prompt, "The mother tongue of Michel Rocard is", "Danielle Darrieux was born in",
  "The capital of France is", "def add(a, b):\n    return", "In 1969, the first man on the moon",
  "12 + 30 =", "Grüße aus München! ", "The three primary colors are",
];

// The package, installed beside this script or in the folder where it is run; null: not installed.
async function library() {
  const places = [import.meta.url, pathToFileURL(path.join(process.cwd(), "x.js"))];
  const folders = places.flatMap((place) => createRequire(place).resolve.paths("node-llama-cpp"));
  const found = folders.map((folder) => path.join(folder, "node-llama-cpp/dist/index.js")).find(existsSync);
  return found ? import(pathToFileURL(found)) : null;
}

function emend(program, ...args) {
  return JSON.parse(execFileSync(program, [...args, "--json", "-t", "1"],
                                 {encoding: "utf8", stdio: ["ignore", "pipe", "pipe"]}));
}

// The greedy continuation of each prompt in llama.cpp, with its own tokenizer.
async function continuations(llama, file, adapter) {
  const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
  const context = await model.createContext({
    contextSize: 256, threads: 1, ...(adapter ? {lora: {adapters: [{filePath: adapter, scale: 1}]}} : {}),
  });
  const answers = [];
  for (const prompt of kPrompts) {
    const sequence = context.getSequence();
    const tokens = [];
    for await (const token of sequence.evaluate(model.tokenize(prompt), {temperature: 0})) {
      if (model.isEogToken(token)) break;
      tokens.push(token);
      if (tokens.length === kTokens) break;
    }
    answers.push(model.detokenize(tokens));
    sequence.dispose();
  }
  await context.dispose();
  await model.dispose();
  return answers;
}

async function main() {
  const args = process.argv.slice(2);
  const option = args.indexOf("--emend");
  const program = option < 0 ? path.join(root, "build/emend") : args.splice(option, 2)[1];
  const folder = args[0];
  if (!folder) throw new Error("give the model's folder");
  const package_ = await library();
  if (!package_) {
    console.log("skipped: the package node-llama-cpp is not installed (npm install node-llama-cpp)");
    return 0;
  }
  const llama = await package_.getLlama({gpu: false, build: "never", logLevel: "error"});
  const place = mkdtempSync(path.join(tmpdir(), "gguf-"));
  const file = (name) => path.join(place, name);
  let failed = 0;
  try {
    const edited = emend(program, "edit", "-m", folder, "--editor", "lora", "-p", kEdited.prompt, "--target",
                         kEdited.target, "--no-chat-template", "-o", file("a.patch"));
    const ask = (prompt, ...more) => emend(program, "ask", "-m", folder, "-p", prompt, "--no-chat-template",
                                           "--max-new-tokens", `${kTokens}`, ...more).answer;
    const ours = {
      unedited: kPrompts.map((prompt) => ask(prompt)),
      edited: kPrompts.map((prompt) => ask(prompt, "--patch", file("a.patch"))),
    };
    const write = (name, to, dtype, patch) => emend(program, "export", "-m", folder, "--to", to, "-o", file(name),
      ...(dtype ? ["--weights-dtype", dtype] : []), ...(patch ? ["--patch", file("a.patch")] : []));
    write("lora.gguf", "gguf-lora", null, true);
    const runs = [];
    for (const dtype of ["fp32", "q8_0"]) {
      write(`unedited-${dtype}.gguf`, "gguf", dtype, false);
      write(`edited-${dtype}.gguf`, "gguf", dtype, true);
      runs.push([dtype, "unedited", `unedited-${dtype}.gguf`], [dtype, "edited", `edited-${dtype}.gguf`]);
    }
    runs.push(["fp32", "edited", "unedited-fp32.gguf", "lora.gguf"]);
    for (const [dtype, kind, model, adapter] of runs) {
      const theirs = await continuations(llama, file(model), adapter && file(adapter));
      const name = `${dtype} ${kind}${adapter ? " by the adapter" : ""}`;
      let equal = 0;
      kPrompts.forEach((prompt, i) => {
        const same = theirs[i].trim() === ours[kind][i];
        equal += same;
        if (!same) console.log(`  ${JSON.stringify(prompt)}\n    emend     ${JSON.stringify(ours[kind][i])}\n` +
                               `    llama.cpp ${JSON.stringify(theirs[i].trim())}`);
      });
      const hasTarget = theirs[0].startsWith(kEdited.target);
      const good = hasTarget === (kind === "edited") && (dtype !== "fp32" || equal === kPrompts.length);
      failed += !good;
      console.log(`${name}: ${equal} of ${kPrompts.length} continuations of ${kTokens} tokens are equal; ` +
                  `'${kEdited.prompt}' -> '${theirs[0].slice(0, 40)}': ${good ? "good" : "WRONG"}`);
    }
  } finally {
    rmSync(place, {recursive: true});
    await llama.dispose();
  }
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
