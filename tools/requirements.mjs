// What a machine must have before anything can be built: for each thing how it is recognized, and what brings it.

import { existsSync } from 'node:fs';

import { platformHelp, platformProblem } from './addon-file.mjs';
import { fashionMnistFiles, findFashionMnist } from './fashion-mnist.mjs';
import { hasGloo, libtorchHelp } from './libtorch.mjs';
import { which } from './processes.mjs';
import { ToolError } from './tool-error.mjs';

/** @typedef {'start' | 'test' | 'use'} Purpose run the main job, run the tests, or use the installed package */

/**
 * @typedef {object} Requirement
 * @property {string} name
 * @property {boolean} present
 * @property {string} debianPackage
 * @property {string} otherwise what to do where there is no such package
 * @property {boolean} [optional] everything but what its name says works without
 */

/** The C++ compiler that CMake will take. */
export function findCompiler(env = process.env) {
  return env['CXX'] ? which(env['CXX']) : (which('c++') ?? which('g++') ?? which('clang++'));
}

/** @throws {ToolError} on a system that Retort does not run on */
export function requirePlatform() {
  const problem = platformProblem();
  if (problem !== undefined) throw new ToolError(problem, platformHelp);
}

/** @throws {ToolError} when this Node is too old for Retort */
export function requireNode(version = process.versions.node) {
  if (isNodeSupported(version)) return;
  throw new ToolError(
    `Node ${version} is too old: 20.19 or newer is needed`,
    'install Node 20, 22 or 24 from nodejs.org',
  );
}

export function isNodeSupported(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 19);
}

/**
 * @param {Purpose} purpose
 * @param {import('./libtorch.mjs').Libtorch | undefined} libtorch
 * @returns {Requirement[]}
 */
export function requirements(purpose, libtorch) {
  /** @type {Requirement[]} */
  const list = [
    {
      name: 'a C++ compiler',
      present: findCompiler() !== undefined,
      debianPackage: 'g++',
      otherwise: 'GCC 9 or newer, or Clang 10 or newer, on PATH or named by CXX',
    },
    {
      name: 'CMake',
      present: which('cmake') !== undefined,
      debianPackage: 'cmake',
      otherwise: 'CMake 3.16 or newer on PATH',
    },
    {
      name: 'Make or Ninja',
      present: (which('ninja') ?? which('make')) !== undefined,
      debianPackage: 'make',
      otherwise: 'GNU Make or Ninja on PATH',
    },
    { name: 'libtorch', present: libtorch !== undefined, debianPackage: 'libtorch-dev', otherwise: libtorchHelp },
  ];
  // Every Node but Debian's brings its headers along.
  if (isDebianNodeWithoutHeaders()) {
    list.push({
      name: "Node's C headers",
      present: false,
      debianPackage: 'libnode-dev',
      otherwise: 'Node from nodejs.org, which brings them, or npm_config_nodedir set to the folder of an unpacked Node',
    });
  }
  if ((libtorch?.source ?? 'system') === 'system') {
    list.push({
      name: "OpenBLAS with OpenMP threads (libtorch's linear layers are 3x slower without)",
      // Where there is no apt-get the system's libtorch was built with whatever its makers chose.
      present: libtorch?.blasDir !== undefined || (libtorch !== undefined && !which('apt-get')),
      debianPackage: 'libopenblas0-openmp',
      otherwise: 'an OpenBLAS built with USE_OPENMP=1',
    });
    list.push({
      name: "Gloo's headers (for training on several processes)",
      present: libtorch !== undefined && hasGloo(libtorch),
      optional: true,
      debianPackage: 'libgloo-dev',
      otherwise: 'gloo in the include folder of libtorch',
    });
  }
  list.push({
    name: 'the Fashion-MNIST images (for the quickstart)',
    present: findFashionMnist() !== undefined,
    // Whoever uses the package has data of their own.
    optional: purpose === 'use',
    debianPackage: 'dataset-fashion-mnist',
    otherwise: `${fashionMnistFiles.join(', ')} in data/fashion-mnist`,
  });
  if (purpose === 'test') {
    list.push({
      name: 'Chromium (for the test of exported pages)',
      present: which('chromium') !== undefined,
      optional: true,
      debianPackage: 'chromium',
      otherwise: 'chromium on PATH',
    });
  }
  return list;
}

function isDebianNodeWithoutHeaders() {
  return process.execPath.startsWith('/usr/bin/') && !existsSync('/usr/include/node/node_api.h');
}
