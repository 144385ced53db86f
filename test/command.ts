// The command `retort` as a person calls it: the build in dist/.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The path of the command's file. */
export const commandFile = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** Runs it to its end in a folder. */
export function runCommand(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [commandFile, ...args], {
    encoding: 'utf8',
    ...options,
  });
  return { code: status, out: stdout, err: stderr };
}
