import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { simulate, type Subject } from './run.ts';

/**
 * Would the simulation notice? Each case breaks one line of the runbook in a copy of it and must be
 * caught by the invariants alone (the runtime guards are switched off here).
 */
const MUTANTS = [
  {
    name: 'an inconclusive bake counts as a pass',
    file: 'rollout/next.ts',
    from: "if (verdict.phase !== 'Successful') return pauseOn(rollout, one, verdict, now);",
    to: '',
    caughtBy: /invariant 1/,
  },
  {
    name: 'the candidate is stopped before traffic is back',
    file: 'rollout/restore.ts',
    from: "const body = { kind: 'shift', app, versions: [stable, candidate],",
    to: "if (!rollout.candidateRetired) return wish(state, rollout, 'retire-candidate', { kind: 'retire', app, version: candidate, keep: stable }, now);\n    const body = { kind: 'shift', app, versions: [stable, candidate],",
    caughtBy: /retired with|does not run/,
  },
  {
    name: 'a rollback has no deadline',
    file: 'release/runbook/next.ts',
    from: 'if (now >= deadlineOf(state)) return giveUp(state, now);',
    to: '',
    caughtBy: /never ends|invariant 4/,
  },
  {
    name: 'a release builds on the stable version its plan saw, not on the one there is',
    file: 'release/state/evolve.ts',
    from: 'stable: stables[name] ?? null }',
    to: 'stable: rollout.app.stable }',
    caughtBy: /does not run|invariant/,
  },
  {
    name: 'the old version is retired without another look at the new one',
    file: 'rollout/next.ts',
    from: "return verify(state, rollout, now, 'verify-soaked', endsAt + rollout.app.deadlines.healthyMs);",
    to: "return record(rollout.app.app, 'ready', now, { type: 'VersionHealthy', app: rollout.app.app, version: rollout.candidate?.id ?? '' });",
    caughtBy: /is not healthy/,
  },
  {
    name: 'the edge is never asked',
    file: 'rollout/evolve.ts',
    from: "edgeProof: { state: toProve ? 'open' : 'none', since: at }",
    to: "edgeProof: { state: 'none', since: at }",
    and: {
      file: 'rollout/evolve.ts',
      from: 'return toProve ? next : pastShift(next, at);',
      to: 'return pastShift(next, at);',
    },
    caughtBy: /invariant 1.*users have not reached/,
  },
  {
    name: 'the author approves',
    file: 'access/approval.ts',
    from: 'if ([release.by, ...rule.authors].some((author) => isSamePerson(author, by)))',
    to: 'if (by === "nobody")',
    caughtBy: /invariant 9/,
  },
  {
    name: 'an approval of another plan counts',
    file: 'access/approval.ts',
    from: 'if (planHash !== release.plan.hash || planHash !== approval.planHash)',
    to: 'if (by === "nobody")',
    caughtBy: /invariant 9/,
  },
  {
    name: 'one person approves twice',
    file: 'access/approval.ts',
    from: 'if (approval.given.some((one) => isSamePerson(one.by, by)))',
    to: 'if (by === "nobody")',
    caughtBy: /invariant 9/,
  },
  {
    name: 'somebody without the role approves',
    file: 'access/approval.ts',
    from: 'if (!hasRole(rule, by))',
    to: 'if (by === "nobody" && !hasRole(rule, by))',
    caughtBy: /invariant 9/,
  },
  {
    name: 'a yes that comes too late counts, and a release may start after its approval has expired',
    file: 'access/approval.ts',
    from: 'if (at >= approval.expiresAt)',
    to: 'if (at < 0)',
    and: {
      file: 'release/preparations/approval.ts',
      from: 'if (asked === null || at < asked.expiresAt) return null;',
      to: 'return null;',
    },
    caughtBy: /invariant 9|never ends/,
  },
  {
    name: 'an approved plan is carried out on what runs by now',
    file: 'release/preparations/approval.ts',
    from: 'if (plan.approval === undefined) return null;',
    to: 'return null;',
    caughtBy: /invariant 9/,
  },
  {
    name: 'traffic goes back to a version that cannot read the schema',
    file: 'release/preparations/prepare.ts',
    from: 'if (migrations === null || migrations.old.works) return null;',
    to: 'if (migrations !== undefined) return null;',
    caughtBy: /invariant 8/,
  },
] as const;

const folder = join(import.meta.dirname, '../../node_modules/.cache/sluice-mutants');

describe('the simulation catches a broken runbook', () => {
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(MUTANTS.map((mutant, index) => [mutant.name, mutant, index] as const))(
    '%s',
    { timeout: 120_000 },
    async (_name, mutant, index) => {
      const subject = await breed(mutant, index);
      const caught = firstViolation(subject);
      expect(caught).toMatch(mutant.caughtBy);
    },
  );
});

async function breed(mutant: (typeof MUTANTS)[number], index: number): Promise<Subject> {
  const copy = join(folder, String(index));
  await mkdir(dirname(copy), { recursive: true });
  await cp(join(import.meta.dirname, '../../src'), copy, { recursive: true, filter: (path) => !path.endsWith('.spec.ts') });
  for (const change of [mutant, ...('and' in mutant ? [mutant.and] : [])]) {
    const file = join(copy, 'core', change.file);
    const source = await readFile(file, 'utf8');
    expect(source.split(change.from), 'the line to break must be there exactly once').toHaveLength(2);
    await writeFile(file, source.replace(change.from, change.to));
  }
  const load = (path: string) =>
    import(/* @vite-ignore */ pathToFileURL(join(copy, 'core/release', path)).href) as Promise<Record<string, never>>;
  const [{ evolve }, { next }] = await Promise.all([load('state/evolve.ts'), load('runbook/next.ts')]);
  return { evolve: evolve as unknown as Subject['evolve'], next: next as unknown as Subject['next'], guard: () => null };
}

function firstViolation(subject: Subject): string {
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const { violations } = simulate(seed, { subject });
    if (violations.length > 0) return violations.join('; ');
  }
  return 'nothing caught in 3,000 stories';
}
