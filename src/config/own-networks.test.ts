// Networks of a user's own in configs: addresses and classes, with and without a schema; what is refused, and where it says so.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { refusal } from '../../test/refusal.ts';
import { Module } from '../nn/index.ts';
import { loadConfig, loadConfigObject } from './index.ts';
import type { ConfigError, LoadConfigOptions, LoadedConfig } from './index.ts';
import { networkEntry } from './own-networks.ts';

let folder = '';
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-networks-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const file = `
  globalThis.ownNetworksRan = (globalThis.ownNetworksRan ?? 0) + 1;
  export class Net { static net = true; constructor(options) { this.options = options; } }
  export class Neat { static net = true; }
  export class Torn { static net = true; constructor() { null.width; } }
  export class Other {}
  export const text = 'Net';
  export const make = () => new Net();
`;
const data = { dataset: { type: 'SyntheticImages' }, batchSize: 4 };
const rest = { trainData: data, valData: data, optimizer: { type: 'SGD', lr: 0.1 }, epochs: 1 };
const with_ = (architecture: unknown, more: object = {}): object => ({
  ...rest,
  model: { type: 'Supervised', architecture, ...more },
});
const network = z.custom((value) => typeof value === 'object' && value !== null).meta({ typedOf: 'model' });
const tables = {
  model: {},
  algorithm: {
    Supervised: {
      summary: '',
      schema: z.looseObject({ architecture: network, teacher: network.optional() }),
      build: () => 0,
    },
  },
};
/** Classes of vitest's own copies count by a mark. */
const isNetwork = (value: unknown): boolean => typeof value === 'function' && (value as { net?: unknown }).net === true;
const options: LoadConfigOptions = { tables, isNetwork, allowScripts: true };

const architectureOf = ({ stages }: LoadedConfig): unknown => stages.at(-1)!.config.model['architecture'];
const built = (loaded: LoadedConfig): unknown => {
  const { type, ...given } = architectureOf(loaded) as { type: string };
  return loaded.own['model']![type]!.build(given, 'model.architecture');
};

describe('addresses', () => {
  it('begin in the folder of the file they are written in, of bases, stages and the command line too', async () => {
    const net = write('nets/net.mjs', file);
    const address = `${net}#Net`;
    const direct = await loadConfig(write('nets/direct.json', with_('./net.mjs#Net')), options);
    expect([architectureOf(direct), direct.networkFiles]).toEqual([{ type: address }, [net]]);
    expect(built(direct)).toMatchObject({ options: {} });
    expect(direct.data).toMatchObject({ model: { architecture: { type: address } } });
    const child = write(
      'child.yaml',
      'base: nets/direct.json\nmodel: { architecture: { type: ./nets/net.mjs#Net, width: 3 } }',
    );
    const options3 = await loadConfig(child, { ...options, cfgOptions: ['model.architecture.width=4'] });
    expect(architectureOf(options3)).toEqual({ type: address, width: 4 });
    expect(built(options3)).toMatchObject({ options: { width: 4 } });
    const stages = {
      ...with_({ type: './nets/net.mjs#Neat', width: 2 }),
      stages: [{ name: 'a' }, { name: 'b', model: { architecture: './nets/net.mjs#Net' } }],
    };
    const staged = await loadConfig(write('stages.json', stages), options);
    expect(staged.stages.map(({ config }) => config.model['architecture'])).toEqual([
      { type: `${net}#Neat`, width: 2 },
      { type: address },
    ]);
    const teacher = with_({ type: './net.mjs#Net' }, { teacher: './net.mjs#Neat' });
    const object = await loadConfigObject(teacher, join(folder, 'nets'), options);
    expect(object.stages[0]!.config.model).toMatchObject({
      architecture: { type: address },
      teacher: { type: `${net}#Neat` },
    });
    const given = await loadConfig(write('any.json', with_('x')), {
      ...options,
      cfgOptions: [`model.architecture=${net}#Net`],
      allowScripts: false,
    });
    expect(architectureOf(given)).toEqual({ type: address });
  });

  it('run nothing for data files, unless that is allowed', async () => {
    const net = write('net.mjs', file);
    const path = write('config.json', with_({ type: './net.mjs#Net', width: 3 }));
    const ran = (): unknown => (globalThis as { ownNetworksRan?: number }).ownNetworksRan;
    const before = ran();
    for (const allowScripts of [undefined, false, [], [join(folder, 'other.mjs')]]) {
      await expect(loadConfig(path, { ...options, allowScripts })).rejects.toThrow(
        refusal('invalid-config', 'model.architecture: ', 'script', 'config.json:1', '--allow-scripts'),
      );
    }
    await loadConfig(path, { allowScripts: false }); // nothing is looked up
    expect(ran()).toBe(before);
    expect((await loadConfig(path, { ...options, allowScripts: [net] })).networkFiles).toEqual([net]);
    expect(ran()).not.toBe(before);
    const script = write('config.mjs', `export default ${JSON.stringify(with_('./net.mjs#Net'))}`);
    expect((await loadConfig(script, { ...options, allowScripts: false })).networkFiles).toEqual([net]);
  });

  it.each([
    ['./net.mjs#Nett', ['net.mjs exports no "Nett"', '"Net"']],
    ['./net.mjs#Other', ['#Other', 'expected a class that extends Module', 'a class of another kind']],
    ['./net.mjs#text', ['#text', 'got string']],
    ['./net.mjs#make', ['#make', 'got a function']],
    ['./ne.mjs#Net', ['no module', 'net.mjs']],
    ['./torn.mjs#Net', ['torn.mjs:1:', 'torn on purpose']],
  ])('%s is refused, with its place', async (address, mentions) => {
    write('net.mjs', file);
    write('torn.mjs', "throw new Error('torn on purpose');");
    const path = write('config.json', with_({ type: address, width: 3 }));
    const error = await loadConfig(path, options).catch((one: unknown) => one);
    expect(error).toEqual(refusal('invalid-config', 'model.architecture', 'config.json:1', ...mentions));
    expect((error as ConfigError).mistakes).toHaveLength(1); // what else is wrong with it is not known
  });

  it('a file of imports may hold classes, as table or as they are', async () => {
    write('net.mjs', file);
    write('table.mjs', `${file} export default { model: { Mine: Net } };`);
    const named = (imports: string, type: string): Promise<LoadedConfig> =>
      loadConfig(write('config.json', { ...with_({ type, width: 3 }), imports: [imports] }), options);
    expect(built(await named('./net.mjs', 'Net'))).toMatchObject({ options: { width: 3 } });
    expect(built(await named('./table.mjs', 'Mine'))).toMatchObject({ options: { width: 3 } });
    await expect(named('./net.mjs', 'Nett')).rejects.toThrow(
      refusal('invalid-config', 'unknown model "Nett"', '"Net"'),
    );
  });
});

describe('classes', () => {
  class Narrow {
    static readonly net = true;
    static readonly schema = z.strictObject({ width: z.number().positive(), depth: z.number().default(1) });
    readonly options: unknown;

    constructor(given: { width: number; depth?: number }) {
      this.options = given;
    }
  }

  it('are checked by their schema with everything else, and are data no more', async () => {
    const loaded = await loadConfigObject(with_({ type: Narrow, width: 3 }), folder, options);
    expect(architectureOf(loaded)).toEqual({ type: 'class Narrow', width: 3 });
    expect([loaded.data, loaded.networkFiles]).toEqual([undefined, []]);
    expect(built(loaded)).toMatchObject({ options: { width: 3, depth: 1 } });
    const wrong = { ...with_({ type: Narrow, widht: 3 }), epochs: -1 };
    await expect(loadConfigObject(wrong, folder, options)).rejects.toThrow(
      refusal('invalid-config', 'epochs', 'model.architecture class Narrow: unknown option "widht"', '"width"'),
    );
    const twice = { [Narrow.name]: class extends Narrow {} };
    Object.defineProperty(twice['Narrow'], 'name', { value: 'Narrow' });
    const both = await loadConfigObject(
      with_({ type: Narrow, width: 1 }, { teacher: { type: twice['Narrow'], width: 2 } }),
      folder,
      options,
    );
    expect(both.stages[0]!.config.model).toMatchObject({ teacher: { type: 'class Narrow (2)' } });
  });

  it('of another kind, and schemas of another zod, are refused', async () => {
    await expect(loadConfigObject(with_({ type: Date }), folder, options)).rejects.toThrow(
      refusal('invalid-config', 'model.architecture: ', 'Date', 'extends Module'),
    );
    class Old extends Narrow {}
    Object.assign(Old, { schema: { safeParse: () => ({ success: true }) } });
    await expect(loadConfigObject(with_({ type: Old }), folder, options)).rejects.toThrow(
      refusal('invalid-config', 'Old', 'static schema', 'zod 4'),
    );
  });
});

describe('networkEntry', () => {
  it('gives the constructor one object, or nothing where it takes nothing', () => {
    class Base {
      readonly given: readonly unknown[];
      constructor(...given: readonly unknown[]) {
        this.given = given;
      }
    }
    class Positional extends Base {
      constructor(width = 32) {
        super(width);
      }
    }
    class Destructured {
      readonly width: unknown;
      constructor({ width = 7 }: { width?: number }) {
        this.width = width;
      }
    }
    class Inherited extends Destructured {}
    const make = (made: new (...args: never[]) => object, given = {}): unknown =>
      networkEntry(made as Parameters<typeof networkEntry>[0]).build(given, 'model');
    expect(make(Base)).toEqual({ given: [] });
    expect(make(Base, { a: 1 })).toEqual({ given: [{ a: 1 }] });
    expect(make(Positional)).toEqual({ given: [32] });
    expect(make(Inherited)).toEqual({ width: 7 });
  });

  it('says where a constructor threw', () => {
    class Torn extends Module {
      constructor() {
        super();
        throw new TypeError('no width');
      }

      override forward(): void {}
    }
    const entry = networkEntry(Torn);
    expect(() => entry.build({}, 'model.teacher Torn')).toThrow(
      refusal('script-failed', 'model.teacher', 'the constructor of Torn', 'TypeError: no width'),
    );
  });
});
