// Runs one of the scripts in tools/, which work before anything is installed or built.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs `node tools/<name>.mjs ...args` with this terminal and takes over its exit code. */
export function runTool(name: string, args: readonly string[]): void {
  const script = fileURLToPath(new URL(`../../tools/${name}.mjs`, import.meta.url));
  process.exitCode = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' }).status ?? 1;
}
