// A program of a user's project in CommonJS: Node 20.19 and later can require ES modules. Prints `[2,4]`.
const { Linear, tensor, tidy } = require('retort-kd');
const { Linear: same } = require('retort-kd/nn');

if (Linear !== same) throw new Error('two copies of one module');
console.log(JSON.stringify(tidy(() => [...tensor([1, 2]).mul(2).data()])));
