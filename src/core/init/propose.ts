import { configFile } from './config-file.ts';
import { detect } from './detect.ts';
import type { Detected, Look } from './look.ts';
import { makefile } from './makefile.ts';
import { codeowners, dependabot, envExample } from './other-files.ts';
import { ownership } from './stamp.ts';
import { workflows } from './workflows.ts';

export interface Proposal {
  readonly path: string;
  readonly text: string;
  /**
   * `create`: there is nothing there. `same`: nothing to do. `update`: it is as an earlier run wrote it.
   * `edited`: a person has changed or written it; it stays unless they say otherwise.
   */
  readonly action: 'create' | 'same' | 'update' | 'edited';
  readonly before: string | null;
}

export interface Proposals {
  readonly found: Detected;
  readonly files: readonly Proposal[];
}

/** Files whose presence under another name means that ours is not wanted. */
const INSTEAD: readonly (readonly [string, RegExp])[] = [
  ['sluice.config.ts', /^sluice\.config\.(mts|m?js|json|ya?ml)$/],
  ['Makefile', /^(GNUmakefile|makefile)$/],
  ['.github/dependabot.yml', /^(\.github\/dependabot\.yaml|renovate\.json5?|\.github\/renovate\.json5?|\.renovaterc(\.json)?)$/],
  ['.github/CODEOWNERS', /^(docs\/)?CODEOWNERS$/],
];

/** Every file that a workspace gets. `existing` is the text of those that are there already. */
export function propose(look: Look, existing: ReadonlyMap<string, string>): Proposals {
  const found = detect(look);
  const texts = new Map([
    ['sluice.config.ts', configFile(found)],
    ['Makefile', makefile(found)],
    ['.env.example', withMissing(existing.get('.env.example'), envExample(found))],
    ...workflows(found),
    ['.github/dependabot.yml', dependabot(found)],
    ['.github/CODEOWNERS', codeowners(found)],
  ]);
  const own = existing.get('Makefile');
  if (own !== undefined && ownership(own) === 'theirs') {
    // A Makefile of the team's stays as it is; ours lies beside it, to be included.
    texts.delete('Makefile');
    texts.set('sluice.mk', makefile(found, 'included'));
  }
  const isReplaced = (path: string): boolean =>
    INSTEAD.some(([ours, theirs]) => ours === path && [...look.paths].some((other) => theirs.test(other)));
  const files = [...texts].filter(([path]) => !isReplaced(path)).map(([path, text]) => proposal(path, text, existing.get(path) ?? null));
  return { found, files };
}

/** Paths that `propose` may want to write. */
export const TARGETS: readonly string[] = [
  'sluice.config.ts',
  'Makefile',
  'sluice.mk',
  '.env.example',
  ...['ci', 'deploy', 'preview', 'drift'].map((name) => `.github/workflows/sluice-${name}.yml`),
  '.github/dependabot.yml',
  '.github/CODEOWNERS',
];

function proposal(path: string, text: string, before: string | null): Proposal {
  if (before === null) return { path, text, action: 'create', before };
  if (before === text) return { path, text, action: 'same', before };
  return { path, text, action: ownership(before) === 'ours' ? 'update' : 'edited', before };
}

/** A team's own list of variables is added to, never replaced. */
function withMissing(theirs: string | undefined, ours: string): string {
  if (theirs === undefined || ownership(theirs) !== 'theirs') return ours;
  const names = (text: string): string[] => [...text.matchAll(/^([A-Za-z_]\w*)=/gm)].map((match) => match[1] ?? '');
  const known = new Set(names(theirs));
  const missing = names(ours).filter((name) => !known.has(name));
  return missing.length === 0 ? theirs : `${theirs.trimEnd()}\n${missing.map((name) => `${name}=\n`).join('')}`;
}
