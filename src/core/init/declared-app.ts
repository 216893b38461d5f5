import type { Command, Runtime, Variable } from './look.ts';

/** An app that some other tool's file already describes. What is null is found out from its folder. */
export interface Declared {
  readonly name: string;
  readonly folder: string;
  readonly build: Command | null;
  readonly run: Command | null;
  readonly routes: readonly string[] | null;
  readonly health: string | null;
  readonly listens: boolean | null;
  readonly env: Readonly<Record<string, Variable>>;
  readonly dependsOn: readonly string[];
  /** Path of its Dockerfile in the workspace. */
  readonly dockerfile: string | null;
  /** Stage of the Dockerfile that is run; null: the last one. */
  readonly target: string | null;
  readonly isStatic: boolean;
  readonly notes: readonly string[];
  readonly decide: readonly string[];
}

/** An app that can be started: what is said of it, and how it runs. */
export interface Found {
  readonly one: Declared;
  readonly runtime: Runtime;
}

export interface Declarations {
  readonly apps: readonly Declared[];
  readonly leftOut: readonly string[];
  readonly decide: readonly string[];
  /** Folders of what is left out. */
  readonly aside: readonly string[];
}

export const NOTHING = {
  build: null,
  run: null,
  routes: null,
  health: null,
  listens: null,
  env: {},
  dependsOn: [],
  dockerfile: null,
  target: null,
  isStatic: false,
  notes: [],
  decide: [],
};

/** Values that may be secret, or are put together elsewhere, are named and never copied. */
export function variables(pairs: readonly (readonly [string, unknown])[]): Record<string, Variable> {
  return Object.fromEntries(
    pairs
      .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name !== 'PORT')
      .map(([name, value]): [string, Variable] => {
        const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
        const isPlain = typeof text === 'string' && /^[\w.,:/ -]{1,80}$/.test(text) && !text.includes('://') && !MAY_BE_SECRET.test(name);
        return [name, isPlain ? text : { fromEnv: name }];
      }),
  );
}

const MAY_BE_SECRET = /SECRET|TOKEN|KEY|PASS|PWD|CREDENTIAL|AUTH|DSN|URL|URI|PRIVATE|SALT|CERT/i;

/** What several files declare, in their order. */
export function joined(all: readonly Declarations[]): Declarations {
  return {
    apps: all.flatMap((one) => one.apps),
    leftOut: all.flatMap((one) => one.leftOut),
    decide: all.flatMap((one) => one.decide),
    aside: all.flatMap((one) => one.aside),
  };
}
