// The one error of the tools: what failed and, on a line of its own, the way out. `runTool` prints it without a stack.

import { wasInterrupted } from './processes.mjs';

/** A mistake of the machine or of the caller, with the way out. */
export class ToolError extends Error {
  /**
   * @param {string} message what failed
   * @param {string} help what to do about it
   */
  constructor(message, help) {
    super(message);
    this.name = 'ToolError';
    this.help = help;
  }
}

/**
 * Runs a tool's main function: a `ToolError` ends the process with its message and status 1, so does an option that
 * node:util's parseArgs does not know; a defect keeps its stack. Ctrl-C ends it with status 130.
 * @param {string} name printed before each message
 * @param {() => void | Promise<void>} main
 */
export function runTool(name, main) {
  void run(name, main);
}

/**
 * @param {string} name
 * @param {() => void | Promise<void>} main
 */
async function run(name, main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof ToolError || (error instanceof TypeError && 'code' in error))) throw error;
    const help = error instanceof ToolError ? `\n  help: ${error.help}` : '';
    process.exitCode = 1;
    // What fails because of Ctrl-C is no error; whether it was pressed is known a moment later.
    setTimeout(() => {
      if (wasInterrupted()) process.exitCode = 130;
      console.error(
        `${name}: ${wasInterrupted() ? 'interrupted; the same command takes up from here' : error.message + help}`,
      );
    }, 50);
  }
}
