// Programs of several steps: tensors made, combined, kept, disposed and collected in nested scopes and modes, hooks that do all
// of that while backward runs, interleaved asynchronous scopes. A model in plain JavaScript says after each step what every
// tensor holds, which gradient it has, and whether it is alive; at the end nothing may be left.
import { RetortError } from '../../src/errors.ts';
import * as torch from '../../src/torch/index.ts';
import { currentScope } from '../../src/torch/internal.ts';
import type { Fuzzer, Outcome, Random } from './fuzzer.ts';
import { Fault } from './fuzzer.ts';

const hookKinds = ['scale', 'look', 'once', 'compute', 'throw', 'dispose', 'collect', 'promise', 'nested'] as const;
const blockKinds = ['tidy', 'noGrad', 'enableGrad', 'autocast'] as const;

type Step =
  | { do: 'new'; to: number; values: number[]; requiresGrad: boolean }
  | { do: 'add' | 'mul'; to: number; a: number; b: number }
  | { do: 'scale'; to: number; a: number; by: number }
  | { do: 'alias' | 'detach'; to: number; a: number }
  | { do: 'change'; a: number; by: number }
  | { do: 'dispose' | 'keep' | 'backward' | 'clearGrad'; a: number }
  | { do: 'hook'; a: number; kind: (typeof hookKinds)[number]; other: number }
  | { do: 'unhook'; hook: number }
  | { do: 'collect' }
  | { do: 'refused'; mode: 'float32' | 'float64' | 'promise' }
  | { do: 'block'; kind: (typeof blockKinds)[number]; body: Step[]; returns: number[]; throws: boolean }
  | { do: 'together'; bodies: [Step[], Step[]]; returns: number[] };

// ---- making

const registers = 6;
const length = 3;

function step(random: Random, depth: number): Step {
  const register = (): number => random.int(0, registers - 1);
  const body = (): Step[] => random.list(random.int(1, 6), () => step(random, depth + 1));
  const way = random.int(0, depth < 3 ? 23 : 19);
  if (way < 3) {
    const values = random.list(length, () => random.int(-3, 3));
    return { do: 'new', to: register(), values, requiresGrad: random.chance(0.5) };
  }
  if (way < 6) return { do: random.pick(['add', 'mul']), to: register(), a: register(), b: register() };
  if (way < 8) return { do: 'scale', to: register(), a: register(), by: random.int(-2, 2) };
  if (way < 9) return { do: random.pick(['alias', 'detach']), to: register(), a: register() };
  if (way < 10) return { do: 'change', a: register(), by: random.int(-2, 2) };
  if (way < 12) return { do: random.pick(['dispose', 'keep', 'keep', 'clearGrad']), a: register() };
  if (way < 14) return { do: 'backward', a: register() };
  if (way < 17) return { do: 'hook', a: register(), kind: random.pick(hookKinds), other: register() };
  if (way < 18) return { do: 'unhook', hook: random.int(0, 5) };
  if (way < 19) return { do: 'collect' };
  if (way < 20) return { do: 'refused', mode: random.pick(['float32', 'float64', 'promise']) };
  if (way < 23 || depth > 0) {
    const returns = random.list(random.int(0, 2), register);
    return { do: 'block', kind: random.pick(blockKinds), body: body(), returns, throws: random.chance(0.2) };
  }
  return { do: 'together', bodies: [body(), body()], returns: [register()] };
}

function* cases(random: Random): Generator<Step[], void, Outcome> {
  for (;;) yield random.list(random.int(3, 25), () => step(random, 0));
}

// ---- the model

/** What the model knows of a tensor. */
interface Node {
  id: number;
  values: number[];
  requiresGrad: boolean;
  leaf: boolean;
  grad: number[] | null;
  parents: { node: Node; factors: number[] }[];
  hooks: Hook[];
  scope: Scope;
  dead: boolean;
  /** Its values are needed by a backward. */
  saved: boolean;
}

type Registers = ({ tensor: torch.Tensor; node: Node } | undefined)[];

interface Hook {
  kind: (typeof hookKinds)[number];
  other: number;
  registers: Registers;
  handle: torch.HookHandle;
  active: boolean;
}

interface Scope {
  parent: Scope | undefined;
  nodes: Set<Node>;
}

interface Place {
  scope: Scope;
  gradEnabled: boolean;
  /** Interleaved scopes have their own: when exactly the other one ends is nobody's business. */
  registers: Registers;
}

type Register = NonNullable<Registers[number]>;

class Planned extends Error {}

/** Collects what is young: a full collection takes milliseconds, and there are many of these. */
function collect(): void {
  globalThis.gc?.({ type: 'minor' });
}

/** One run of a program, on the engine and on the model at once. */
class Run {
  readonly #outside: Scope = { parent: undefined, nodes: new Set() };
  readonly #registers: Registers = [];
  readonly #hooks: Hook[] = [];
  /** All tensors, where they are disposed at the end; otherwise those that were overwritten are left to the collector. */
  readonly #held: torch.Tensor[] | undefined;
  #made = 0;
  refused = 0;

  constructor(hold: boolean) {
    this.#held = hold ? [] : undefined;
  }

  async all(steps: readonly Step[]): Promise<void> {
    const place = { scope: this.#outside, gradEnabled: true, registers: this.#registers };
    for (const one of steps) {
      if (one.do === 'together') await this.#together(one, place);
      else this.#step(one, place);
    }
  }

  #step(one: Step, place: Place): void {
    this.#do(one, place);
    this.#verify(place, one.do);
  }

  // Registers that are empty or hold what is freed make most steps an error that must be refused.
  #do(one: Step, place: Place): void {
    switch (one.do) {
      case 'new':
        return this.#new(
          one.to,
          torch.tensor(one.values, { dtype: 'float64', requiresGrad: one.requiresGrad }),
          place,
          {
            values: one.values,
            requiresGrad: one.requiresGrad,
          },
        );
      case 'add':
      case 'mul':
        return this.#combine(one, place);
      case 'scale':
        return this.#alive(place, one.a, ({ tensor, node }) =>
          this.#new(one.to, tensor.mul(one.by), place, {
            values: node.values.map((value) => value * one.by),
            parents: [{ node, factors: node.values.map(() => one.by) }],
          }),
        );
      case 'alias':
        place.registers[one.to] = place.registers[one.a];
        return undefined;
      case 'detach':
        return this.#alive(place, one.a, ({ tensor, node }) =>
          this.#new(
            one.to,
            torch.tidy(() => tensor.detach().clone()),
            place,
            { values: [...node.values] },
          ),
        );
      case 'change':
        return this.#alive(place, one.a, (register) => this.#change(register, one.by, place));
      case 'dispose': {
        const register = place.registers[one.a];
        register?.tensor.dispose();
        if (register !== undefined) this.#kill(register.node);
        return undefined;
      }
      case 'keep':
        return this.#alive(place, one.a, ({ tensor, node }) => {
          tensor.keep();
          this.#move(node, this.#outside);
        });
      case 'clearGrad':
        return this.#alive(place, one.a, ({ tensor, node }) => {
          tensor.grad = null;
          node.grad = null;
        });
      case 'backward':
        return this.#alive(place, one.a, (register) => this.#backward(register, place));
      case 'hook':
        return this.#alive(place, one.a, (register) => this.#hook(register, one, place.registers));
      case 'unhook': {
        const hook = this.#hooks[one.hook];
        hook?.handle.remove();
        if (hook !== undefined) hook.active = false;
        return undefined;
      }
      case 'collect':
        return collect();
      case 'refused':
        return this.#refuse(() =>
          one.mode === 'promise' ? torch.noGrad(async () => {}) : torch.autocast(() => {}, one.mode),
        );
      case 'block':
        return this.#block(one, place);
      case 'together':
        throw new Error('asynchronous scopes stand outside of others');
    }
  }

  #new(to: number, tensor: torch.Tensor, place: Place, facts: Partial<Node> & { values: number[] }): void {
    const parents = place.gradEnabled ? (facts.parents ?? []).filter(({ node }) => node.requiresGrad) : [];
    const node: Node = {
      id: this.#made++,
      requiresGrad: parents.length > 0,
      leaf: parents.length === 0,
      grad: null,
      hooks: [],
      scope: place.scope,
      dead: false,
      saved: false,
      ...facts,
      parents,
    };
    place.scope.nodes.add(node);
    this.#held?.push(tensor);
    place.registers[to] = { tensor, node };
  }

  #combine({ do: how, to, a, b }: Extract<Step, { do: 'add' | 'mul' }>, place: Place): void {
    this.#alive(place, a, (one) =>
      this.#alive(place, b, (other) => {
        const [x, y] = [one.node, other.node];
        const result = how === 'add' ? one.tensor.add(other.tensor) : one.tensor.mul(other.tensor);
        const ones = x.values.map(() => 1);
        const saves = how === 'mul' && place.gradEnabled && (x.requiresGrad || y.requiresGrad);
        if (saves) x.saved = y.saved = true;
        this.#new(to, result, place, {
          values: x.values.map((value, i) => (how === 'add' ? value + y.values[i]! : value * y.values[i]!)),
          parents: [
            { node: x, factors: how === 'add' ? ones : [...y.values] },
            { node: y, factors: how === 'add' ? ones : [...x.values] },
          ],
        });
      }),
    );
  }

  #change({ tensor, node }: Register, by: number, place: Place): void {
    if (node.saved || (node.requiresGrad && !node.leaf)) return;
    if (node.requiresGrad && place.gradEnabled) return this.#refuse(() => tensor.add_(by));
    tensor.add_(by);
    node.values = node.values.map((value) => value + by);
  }

  #hook(
    { tensor, node }: Register,
    { kind, other }: { kind: Hook['kind']; other: number },
    registers: Registers,
  ): void {
    if (!node.requiresGrad) return this.#refuse(() => tensor.registerHook(() => {}));
    const hook: Hook = { kind, other, registers, active: true, handle: undefined as unknown as torch.HookHandle };
    hook.handle = tensor.registerHook((gradient) => this.#inHook(hook, gradient) as torch.Tensor);
    node.hooks.push(hook);
    this.#hooks.push(hook);
  }

  #inHook(hook: Hook, gradient: torch.Tensor): unknown {
    switch (hook.kind) {
      case 'scale':
        return gradient.mul(2);
      case 'once':
        return hook.handle.remove();
      case 'compute':
        return torch.tidy(() => void torch.ops.ones([200]).mul(2).sum().item());
      case 'throw':
        throw new Planned('in a hook');
      case 'dispose':
        return hook.registers[hook.other]?.tensor.dispose();
      case 'collect':
        return collect();
      case 'promise':
        return Promise.reject(new Planned('nobody waits for it'));
      case 'nested':
        return torch.tidy(() =>
          torch.enableGrad(() => torch.ops.ones([2], { requiresGrad: true }).mul(3).sum().backward()),
        );
      default:
        return void gradient.toArray();
    }
  }

  #backward({ tensor, node }: Register, place: Place): void {
    const run = (): void => torch.tidy(() => tensor.sum().backward(undefined, { retainGraph: true }));
    if (!node.requiresGrad || !place.gradEnabled) return this.#refuse(run);
    // The model's backward first: a hook that throws, or gives a promise, ends the engine's.
    const gradients = new Map<Node, number[]>([[node, node.values.map(() => 1)]]);
    let fails = false;
    const order: Node[] = [];
    const visit = (one: Node): void => {
      if (order.includes(one)) return;
      order.push(one);
      for (const { node: parent } of one.parents) visit(parent);
    };
    visit(node);
    const disposed: Node[] = [];
    for (const one of order.toSorted((x, y) => y.id - x.id)) {
      let gradient = gradients.get(one)!;
      for (const hook of one.hooks) {
        if (!hook.active) continue;
        if (hook.kind === 'scale') gradient = gradient.map((value) => value * 2);
        if (hook.kind === 'throw' || hook.kind === 'promise') fails = true;
        if (hook.kind === 'once') hook.active = false;
        const other = hook.kind === 'dispose' ? hook.registers[hook.other] : undefined;
        if (other !== undefined) disposed.push(other.node);
      }
      if (one.leaf) one.grad = (one.grad ?? gradient.map(() => 0)).map((value, i) => value + gradient[i]!);
      for (const { node: parent, factors } of one.parents) {
        const sum = gradients.get(parent) ?? factors.map(() => 0);
        gradients.set(
          parent,
          sum.map((value, i) => value + gradient[i]! * factors[i]!),
        );
      }
    }
    if (!fails) {
      run();
      for (const one of disposed) this.#kill(one);
      return;
    }
    try {
      run();
    } catch (error) {
      if (!(error instanceof RetortError || error instanceof Planned)) throw error;
      this.refused++;
      // Which hooks and leaves were reached before is libtorch's affair: begin again with what is known.
      for (const hook of this.#hooks) {
        hook.handle.remove();
        hook.active = false;
      }
      for (const register of new Set([...this.#registers, ...place.registers])) {
        if (register === undefined) continue;
        if (register.tensor.isDisposed) this.#kill(register.node);
        else register.tensor.grad = register.node.grad = null;
      }
      for (const one of order) one.grad = null;
      return;
    }
    throw new Fault('an error was lost', 'a hook threw or gave a promise, and backward went on');
  }

  #block({ kind, body, returns, throws }: Extract<Step, { do: 'block' }>, outer: Place): void {
    const scope: Scope = { parent: outer.scope, nodes: new Set() };
    const place: Place = {
      scope: kind === 'tidy' ? scope : outer.scope,
      registers: outer.registers,
      gradEnabled: kind === 'noGrad' ? false : kind === 'enableGrad' ? true : outer.gradEnabled,
    };
    const run = (): unknown => {
      for (const one of body) if (one.do !== 'together') this.#step(one, place);
      if (throws) throw new Planned('in a block');
      return returns.map((i) => place.registers[i]?.tensor);
    };
    try {
      if (kind === 'tidy') torch.tidy(run);
      else if (kind === 'noGrad') torch.noGrad(run);
      else if (kind === 'enableGrad') torch.enableGrad(run);
      else torch.autocast(run);
    } catch (error) {
      if (!(error instanceof Planned)) throw error;
    }
    if (kind === 'tidy') this.#end(scope, throws ? [] : returns.map((i) => place.registers[i]));
  }

  async #together({ bodies, returns }: Extract<Step, { do: 'together' }>, outer: Place): Promise<void> {
    const own: Register[] = [];
    await Promise.all(
      bodies.map((body) => {
        const scope: Scope = { parent: outer.scope, nodes: new Set() };
        const place = { scope, gradEnabled: outer.gradEnabled, registers: [...outer.registers] };
        return torch.tidyAsync(async () => {
          for (const one of body) {
            if (one.do !== 'together') this.#step(one, place);
            await Promise.resolve();
          }
          const given = returns.map((i) => place.registers[i]).filter((register) => register?.node.scope === scope);
          this.#end(scope, given);
          own.push(...(given as Register[]));
          return given.map((register) => register!.tensor);
        });
      }),
    );
    for (const [i, register] of own.entries()) outer.registers[i % registers] = register;
    this.#verify(outer, 'together');
  }

  #end(scope: Scope, returned: readonly (Register | undefined)[]): void {
    for (const register of returned) {
      if (register !== undefined && register.node.scope === scope) this.#move(register.node, scope.parent!);
    }
    for (const node of scope.nodes) this.#kill(node);
  }

  #move(node: Node, scope: Scope): void {
    if (node.dead) return;
    node.scope.nodes.delete(node);
    node.scope = scope;
    scope.nodes.add(node);
  }

  #kill(node: Node): void {
    node.dead = true;
    node.scope.nodes.delete(node);
  }

  /** Does it with a register that holds a tensor; one that is freed must be refused. */
  #alive({ registers }: Place, at: number, act: (register: Register) => void): void {
    const register = registers[at];
    if (register === undefined) return undefined;
    if (!register.node.dead) return act(register);
    const { tensor } = register;
    for (const use of [
      () => tensor.shape,
      () => tensor.add(1),
      () => tensor.grad,
      () => tensor.item(),
      () => tensor.data(),
      () => tensor.keep(),
      () => tensor.backward(),
      () => tensor.requiresGrad_(),
      () => (tensor.grad = null),
    ]) {
      this.#refuse(use);
    }
    if (!tensor.isDisposed) throw new Fault('not freed', `register ${at} should be freed`);
    return undefined;
  }

  #refuse(act: () => unknown): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      this.refused++;
      return;
    }
    throw new Fault('not refused', `this should have been refused: ${String(act)}`);
  }

  #verify(place: Place, after: string): void {
    const wrong = (what: string): Fault => new Fault('differs from the model', `after ${after}: ${what}`);
    if (torch.isGradEnabled() !== place.gradEnabled) throw wrong(`gradients are ${place.gradEnabled ? 'off' : 'on'}`);
    for (const [i, register] of place.registers.entries()) {
      if (register === undefined) continue;
      const { tensor, node } = register;
      if (tensor.isDisposed !== node.dead) throw wrong(`register ${i} is ${node.dead ? 'alive' : 'freed'}`);
      if (node.dead) continue;
      const same = (got: torch.Nested | null | undefined, wanted: number[] | null): boolean =>
        JSON.stringify(got ?? null) === JSON.stringify(wanted?.map((value) => value + 0) ?? null);
      torch.tidy(() => {
        const got = tensor.add(0).toArray() as number[];
        if (!same(got, node.values)) throw wrong(`register ${i} is ${String(got)}, not ${String(node.values)}`);
        if (tensor.requiresGrad !== node.requiresGrad) throw wrong(`register ${i} requires a gradient or not`);
        if (!node.leaf) return;
        const gradient = tensor.grad?.add(0).toArray() as number[] | undefined;
        if (!same(gradient, node.grad)) throw wrong(`gradient ${i} is ${String(gradient)}, not ${String(node.grad)}`);
      });
    }
  }

  /** Frees everything. */
  end(): void {
    for (const register of this.#registers) register?.tensor.dispose();
    for (const tensor of this.#held ?? []) tensor.dispose();
    this.#registers.length = 0;
    for (const hook of this.#hooks) {
      hook.handle.remove();
      hook.registers.length = 0;
    }
    this.#hooks.length = 0;
  }
}

// ---- trying

async function attempt(steps: Step[]): Promise<Outcome> {
  const before = torch.memory().tensors;
  const run = new Run(steps.length % 8 !== 0);
  try {
    await run.all(steps);
  } finally {
    run.end();
  }
  // What was overwritten goes with a collection.
  for (let round = 0; round < 8 && torch.memory().tensors > before; round++) {
    if (round > 0) await new Promise((resolve) => setTimeout(resolve, round));
    globalThis.gc?.();
  }
  const left = torch.memory().tensors - before;
  if (left > 0) throw new Fault('keeps tensors', `${left} more tensors are alive than before`);
  const one = torch.tidy(() => torch.ops.mm(torch.ops.ones([1, 1]), torch.ops.ones([1, 1])).dtype);
  if (one !== 'float32' || currentScope() !== 0) throw new Fault('changes later calls', `mm gives ${one}`);
  return run.refused > 0 ? 'refused' : 'taken';
}

// ---- printing and making smaller

function lines(steps: readonly Step[], indent: string): string[] {
  return steps.flatMap((one) => lineOf(one, indent).map((line) => `${indent}${line}`));
}

function lineOf(one: Step, indent: string): string[] {
  const inner = (body: readonly Step[]): string[] => lines(body, '  ').map((line) => line);
  switch (one.do) {
    case 'new':
      return [
        `r[${one.to}] = tensor([${one.values.join(', ')}], { dtype: 'float64', requiresGrad: ${one.requiresGrad} });`,
      ];
    case 'add':
    case 'mul':
      return [`r[${one.to}] = r[${one.a}].${one.do}(r[${one.b}]);`];
    case 'scale':
      return [`r[${one.to}] = r[${one.a}].mul(${one.by});`];
    case 'alias':
      return [`r[${one.to}] = r[${one.a}];`];
    case 'detach':
      return [`r[${one.to}] = tidy(() => r[${one.a}].detach().clone());`];
    case 'change':
      return [`r[${one.a}].add_(${one.by});`];
    case 'dispose':
    case 'keep':
      return [`r[${one.a}].${one.do}();`];
    case 'backward':
      return [`tidy(() => r[${one.a}].sum().backward(undefined, { retainGraph: true }));`];
    case 'clearGrad':
      return [`r[${one.a}].grad = null;`];
    case 'hook':
      return [`h.push(r[${one.a}].registerHook(() => {})); // ${one.kind} ${one.other}`];
    case 'unhook':
      return [`h[${one.hook}]?.remove();`];
    case 'collect':
      return ['gc();'];
    case 'refused':
      return [
        one.mode === 'promise' ? 'noGrad(async () => {}); // throws' : `autocast(() => {}, '${one.mode}'); // throws`,
      ];
    case 'block': {
      const end = one.throws
        ? "throw new Error('in a block');"
        : `return [${one.returns.map((i) => `r[${i}]`).join(', ')}];`;
      return [`${one.kind}(() => {${one.throws ? ' // caught' : ''}`, ...inner(one.body), `  ${end}`, '});'];
    }
    default:
      return [
        'await Promise.all([ // with an await after each line',
        ...one.bodies.flatMap((body) => ['  tidyAsync(async () => {', ...lines(body, '    '), '  }),']),
        `]); // returning ${one.returns.map((i) => `r[${i}]`).join(', ')}${indent}`,
      ];
  }
}

function* simpler(steps: Step[]): Iterable<Step[]> {
  if (steps.length > 3) {
    const half = Math.floor(steps.length / 2);
    yield steps.slice(0, half);
    yield steps.slice(half);
  }
  for (const [i, one] of steps.entries()) {
    const instead = (...others: Step[]): Step[] => [...steps.slice(0, i), ...others, ...steps.slice(i + 1)];
    yield instead();
    if (one.do === 'block') {
      yield instead(...one.body);
      if (one.throws) yield instead({ ...one, throws: false });
      if (one.returns.length > 0) yield instead({ ...one, returns: one.returns.slice(1) });
      for (const body of simpler(one.body)) yield instead({ ...one, body });
    }
    if (one.do === 'together') {
      for (const body of simpler(one.bodies[0])) yield instead({ ...one, bodies: [body, one.bodies[1]] });
      for (const body of simpler(one.bodies[1])) yield instead({ ...one, bodies: [one.bodies[0], body] });
    }
  }
}

const fuzzer: Fuzzer<Step[]> = {
  summary: 'programs of several steps, beside a model: scopes, modes, hooks, backward, dispose, collection',
  calls: 20_000,
  cases,
  attempt,
  simpler,
  source: (steps) =>
    [
      "import { autocast, enableGrad, noGrad, tensor, tidy, tidyAsync } from 'retort-kd/torch';",
      'const r = [];',
      'const h = [];',
      ...lines(steps, ''),
    ].join('\n'),
};
export default fuzzer;
