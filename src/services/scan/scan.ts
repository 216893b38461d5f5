import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { scanChanges } from './changes.ts';
import { envFileProblems, type EnvFileProblem } from './env-files.ts';
import { addIgnore, ensureKey, readIgnores } from './ignores.ts';
import { type Scanned, scanTree } from './tree.ts';
import type { RuleSet } from '../../core/secret-scan/rule.ts';
import { OWN_RULES } from '../../core/secret-scan/rules.ts';
import { createScanner } from '../../core/secret-scan/scan.ts';

export { installHook } from './hook.ts';

export interface ScanRequest {
  /** The tree, what is staged, or the new lines of a range of commits. */
  readonly what: { readonly kind: 'tree' } | { readonly kind: 'staged' } | { readonly kind: 'range'; readonly range: string };
  /** Look at everything again, whatever was clean before. */
  readonly force: boolean;
}

export interface ScanResult extends Scanned {
  /** Found, and answered for by somebody. */
  readonly ignored: number;
  readonly envFiles: readonly EnvFileProblem[];
  /** `found`: a secret or a file of variables. `undecided`: something could not be looked at. `nothing`: nothing was there to look at. */
  readonly verdict: 'clean' | 'found' | 'undecided' | 'nothing';
}

/** @throws UserError `SCAN_GIT_FAILED`, `SCAN_HISTORY_MISSING`, `SCAN_NO_COMMITS`, `GITLEAKS_INVALID`, `IGNORES_INVALID`. */
export async function scanSecrets(dir: string, { what, force }: ScanRequest): Promise<ScanResult> {
  const [{ key, marks }, { rules, identity }] = await Promise.all([readIgnores(dir), readRules(dir)]);
  const scanner = createScanner(rules, key, () => performance.now());
  const cache = force ? null : join(dir, '.sluice', 'secret-scan', `clean-${identity}`);
  const scanned = what.kind === 'tree' ? await scanTree(dir, scanner, cache) : await scanChanges(dir, scanner, what);
  const findings = scanned.findings.filter((one) => !marks.has(one.mark));
  const envFiles = what.kind === 'range' ? [] : await envFileProblems(dir);
  const result = { ...scanned, findings, ignored: scanned.findings.length - findings.length, envFiles };
  return { ...result, verdict: verdictOf(result) };
}

/** Clean is only what was looked at. */
function verdictOf({ findings, envFiles, undecided, skipped, files, cached }: Omit<ScanResult, 'verdict'>): ScanResult['verdict'] {
  if (findings.length > 0 || envFiles.length > 0) return 'found';
  if (undecided.length > 0 || skipped.some((one) => one.reason === 'unreadable')) return 'undecided';
  return files + cached === 0 ? 'nothing' : 'clean';
}

/** Rules and what they are known by: content that was clean by other rules is looked at again. */
async function readRules(dir: string): Promise<{ rules: RuleSet; identity: string }> {
  const text = await readFile(join(dir, '.gitleaks.toml'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  // Few have the file, and its engine takes a while to be loaded.
  const rules = text === null ? OWN_RULES : (await import('../../core/secret-scan/gitleaks.ts')).withGitleaks(text, OWN_RULES);
  const said = JSON.stringify(rules, (_name, value: unknown) => (value instanceof RegExp ? String(value) : value));
  return { rules, identity: createHash('sha256').update(said).digest('hex').slice(0, 16) };
}

/** Somebody answers for the secrets whose mark begins like this. Returns how many there are. */
export async function ignoreSecrets(
  dir: string,
  begin: string,
  why: { readonly by: string; readonly reason: string; readonly at: string },
  what: ScanRequest['what'],
): Promise<number> {
  const { findings } = await scanSecrets(dir, { what, force: true });
  const chosen = new Set(
    findings.filter((one) => one.mark.startsWith(begin)).map((one) => `${one.path} ${one.line} ${one.rule} ${one.column}`),
  );
  if (chosen.size === 0) return 0;
  await ensureKey(dir);
  // With a key of its own the workspace's marks are others.
  const renewed = await scanSecrets(dir, { what, force: true });
  const marks = new Set(
    renewed.findings.filter((one) => chosen.has(`${one.path} ${one.line} ${one.rule} ${one.column}`)).map((one) => one.mark),
  );
  for (const mark of marks) await addIgnore(dir, mark, why);
  return marks.size;
}
