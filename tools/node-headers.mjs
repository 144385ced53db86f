// Finds the C headers of the very Node that runs: the npm package `node-api-headers` lacks the basic finalizers that free
// tensors inside a synchronous loop, and headers of another major version declare them otherwise.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { capture } from './processes.mjs';
import { ToolError } from './tool-error.mjs';

/**
 * @returns {{ dir: string, version: string }} the folder of node_api.h, and the headers' version, `'20.20.2'`
 * @throws {ToolError} when there are none of Node's own major version
 */
export function findNodeHeaders() {
  const rejected = [];
  for (const candidate of candidates()) {
    const dir = candidate();
    if (!dir || !existsSync(join(dir, 'node_api.h'))) continue;
    const version = versionOf(dir);
    if (version.split('.')[0] === process.versions.node.split('.')[0]) return { dir, version };
    rejected.push(`${dir} is of version ${version}`);
  }
  throw new ToolError(
    `the C headers of Node ${process.versions.node} (node_api.h) were not found` +
      (rejected.length > 0 ? `: ${rejected.join('; ')}` : ''),
    "Node from nodejs.org, nvm or NodeSource brings them; for Debian's own Node: apt-get install libnode-dev; " +
      'or set npm_config_nodedir to the folder of an unpacked Node',
  );
}

/** @returns {(() => string | undefined)[]} cheap places first */
function candidates() {
  const inPrefix = (/** @type {string | undefined} */ prefix) =>
    prefix && prefix !== 'undefined' ? join(prefix, 'include/node') : undefined;
  return [
    () => inPrefix(process.env['npm_config_nodedir']),
    () => inPrefix(dirname(dirname(process.execPath))),
    () => '/usr/include/node',
    () => join(homedir(), '.cache/node-gyp', process.versions.node, 'include/node'),
    () => inPrefix(capture('npm', ['config', 'get', 'nodedir']).stdout.trim()),
  ];
}

/** @param {string} dir */
function versionOf(dir) {
  const file = join(dir, 'node_version.h');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const part = (/** @type {string} */ name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1] ?? '?';
  return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
}
