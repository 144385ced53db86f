// How the tests run: each file in a process of its own, because a process has one libtorch; at most two at a time, which share
// the cores between them. `gc()` is there for the tests of memory.

import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

import { retortTaps } from './src/intercept/vite-plugin.ts';

const cores = availableParallelism();
const forks = Math.min(2, cores);

export default defineConfig({
  plugins: [retortTaps({ modules: ['src/**/testing/tapped-*.ts'], folder: import.meta.dirname })],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    pool: 'forks',
    maxWorkers: forks,
    execArgv: ['--expose-gc'],
    // libtorch's process group writes to stderr what its errors say too.
    env: {
      RETORT_THREADS: process.env['RETORT_THREADS'] ?? String(Math.floor(cores / forks)),
      GLOG_minloglevel: '3',
    },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
