import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { canonicalJson } from '../text/canonical.ts';
import type { BuildSpec } from '../release/plan/plan.ts';

export interface FingerprintInput {
  readonly app: string;
  /** Git tree id of the app's path. */
  readonly tree: string;
  readonly build: BuildSpec;
  readonly dependsOn: readonly string[];
}

/**
 * Identity of what each app is built from: its own sources, its build settings, and the fingerprints of
 * what it depends on. Equal fingerprints build equal artifacts. How the app is run is no part of it.
 * The inputs must be free of cycles; a dependency that is not among them does not count.
 */
export function fingerprints(inputs: readonly FingerprintInput[]): Map<string, string> {
  const byName = new Map(inputs.map((input) => [input.app, input]));
  const done = new Map<string, string>();
  const of = (input: FingerprintInput): string => {
    const known = done.get(input.app);
    if (known !== undefined) return known;
    const dependencies = [...new Set(input.dependsOn)].toSorted().flatMap((name) => {
      const dependency = byName.get(name);
      return dependency === undefined ? [] : [[name, of(dependency)]];
    });
    const { command, output, env } = input.build;
    const content = canonicalJson({ v: 1, tree: input.tree, build: { command, output, env }, dependencies });
    const value = bytesToHex(sha256(utf8ToBytes(content)));
    done.set(input.app, value);
    return value;
  };
  for (const input of inputs) of(input);
  return done;
}
