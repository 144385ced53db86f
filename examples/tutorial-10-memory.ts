// Tutorial, part 10: how long tensors live.
import { Linear, Module } from 'retort-kd/nn';
import { keep, memory, ones, tidy, tidyAsync, type Tensor } from 'retort-kd/torch';

const alive = (): number => memory().tensors;
const before = alive();

// A scope frees what it does not return: arrays, plain objects, maps and sets are looked through.
const { mean } = tidy(() => {
  const big = ones([1000]).mul(2).add(1);
  return { mean: big.mean() };
});
console.log(alive() - before); // 1

// keep() takes a tensor out of its scope, dispose() frees it, as `using` does at the end of its block.
let kept: Tensor | undefined;
tidy(() => {
  kept = keep(ones([3]));
});
console.log(alive() - before); // 2
kept!.dispose();
{
  using short = ones([3]);
  void short;
}
console.log(alive() - before); // 1

// A freed tensor is an error to use, never other numbers.
try {
  kept!.add(1);
} catch (error) {
  console.log((error as Error).name, kept!.isDisposed); // RetortError true
}

// A module's forward is a scope, so what it makes on the way is freed; its parameters are not.
class Deep extends Module {
  fc = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    for (let i = 0; i < 10; i++) x = this.fc.forward(x);
    return x;
  }
}
tidy(() => {
  const deep = new Deep();
  const start = alive();
  deep.forward(ones([2, 4]));
  console.log(alive() - start); // 2
});

// Asynchronous code has scopes of its own; several may run interleaved.
const later = await tidyAsync(async () => {
  const x = ones([2]);
  await new Promise((resolve) => setImmediate(resolve));
  return x.add(1);
});
console.log(later.toArray()); // [ 2, 2 ]

for (const tensor of [mean, later]) tensor.dispose();
