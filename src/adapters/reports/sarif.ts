import type { RawFinding, ReportContent } from '../../core/gates/contents.ts';
import type { FindingKind, Severity } from '../../core/gates/finding.ts';
import { damaged, Unreadable } from './damage.ts';
import { jsonOf } from './encoding.ts';
import { type Level, levelOf, ruleOf } from './sarif-rules.ts';
import type { SarifResult, SarifRule, SarifRun } from './schema.ts';
import { sarifSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/** SARIF 2.1.0 of linters, analysers and scanners of containers. */
export const sarifReader = wholeReader('sarif', parseSarif);

function parseSarif(bytes: Uint8Array): ReportContent {
  const { runs } = checked(sarifSchema, jsonOf(bytes));
  if (runs.length === 0) throw new Unreadable('empty', 'it has no run.');
  return { kind: 'findings', tool: runs.map((run) => run.tool.driver.name).join(', '), findings: runs.flatMap(findingsOf) };
}

function findingsOf(run: SarifRun): RawFinding[] {
  const tool = run.tool.driver.name;
  for (const invocation of run.invocations ?? []) {
    const why = whyNotThrough(invocation);
    if (why !== null) throw damaged(`${tool} says itself that it did not get through${why === '' ? '' : `: ${why}`}.`);
  }
  // No results is not the same as none: it says that they were not determined.
  if (run.results === undefined || run.results === null) throw damaged(`a run of ${tool} has no list of results.`);
  if (run.externalPropertyFileReferences?.['results'] !== undefined)
    throw damaged(`results of ${tool} stand in other files, which are not read.`);
  return run.results.flatMap((result) => findingOf(tool, result, run));
}

/** Null for a run that ended well, else what it says of why not. A notification of an error is of the tool, not of the code. */
function whyNotThrough(invocation: NonNullable<SarifRun['invocations']>[number]): string | null {
  const { executionSuccessful, exitSignalName, processStartFailureMessage } = invocation;
  const notes = [...(invocation.toolExecutionNotifications ?? []), ...(invocation.toolConfigurationNotifications ?? [])];
  const error = notes.find((one) => one.level === 'error');
  const said = error?.message?.text ?? processStartFailureMessage ?? exitSignalName ?? '';
  const isBad = !executionSuccessful || error !== undefined || exitSignalName !== undefined || processStartFailureMessage !== undefined;
  return isBad ? (said.split('\n')[0] ?? '').slice(0, 200) : null;
}

function findingOf(tool: string, result: SarifResult, run: SarifRun): RawFinding[] {
  const found = ruleOf(result, run);
  const { id, rule } = found;
  const own = result.kind ?? 'fail';
  // What passed has no level (3.27.10): a result that says both is taken as what is worse.
  const isFine = (own === 'pass' || own === 'notApplicable' || own === 'informational') && (result.level ?? 'none') === 'none';
  if (isFine || result.baselineState === 'absent') return [];
  const isSuppressed =
    (result.suppressions ?? []).length > 0 && (result.suppressions ?? []).every((one) => (one.status ?? 'accepted') === 'accepted');
  // Suppressed in the source, with the tool's own means. A hotspot that somebody looked at is told as such.
  if (isSuppressed && own !== 'review') return [];
  // A review and an open question have no level of their own, and are as grave as their rule.
  const level = levelOf(own !== 'fail' && result.level === 'none' ? { ...result, level: undefined } : result, found, run);
  const score = securityScore(result, rule);
  const { path, line, endLine } = placeOf(result, run);
  const prints = { ...result.partialFingerprints, ...result.fingerprints };
  return [
    {
      tool,
      rule: id,
      kind: own === 'review' ? 'hotspot' : kindOf(level, score !== null || isWeakness(result, rule), tagsOf(rule)),
      severity: score === null ? BY_LEVEL[level] : byScore(score),
      message: result.message.text ?? result.message.markdown ?? result.message.id ?? '',
      path,
      line,
      endLine,
      fingerprint:
        Object.keys(prints).length === 0 ? null : JSON.stringify(Object.entries(prints).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      isNew: result.baselineState === undefined ? null : result.baselineState !== 'unchanged',
      isReviewed: isSuppressed,
      minutes: minutesOf(result, rule),
    },
  ];
}

const BY_LEVEL: Readonly<Record<Level, Severity>> = {
  none: 'info',
  note: 'info',
  warning: 'minor',
  error: 'major',
};

/** CVSS, as scanners give it: 9 and more critical, from 7 high, from 4 medium, else low. */
function byScore(score: number): Severity {
  return score >= 9 ? 'blocker' : score >= 7 ? 'critical' : score >= 4 ? 'major' : score > 0 ? 'minor' : 'info';
}

function kindOf(level: Level, isOfSecurity: boolean, tags: readonly string[]): FindingKind {
  if (isOfSecurity || tags.some((tag) => /security|vulnerab|cwe/i.test(tag))) return 'vulnerability';
  return level === 'error' || tags.some((tag) => /^(bug|correctness|reliability)$/i.test(tag)) ? 'bug' : 'codeSmell';
}

/** Classified in a list of weaknesses, by its result or its rule (3.27.8, 3.49.15). */
function isWeakness({ taxa = [] }: SarifResult, rule: SarifRule | null): boolean {
  const targets = [...taxa, ...(rule?.relationships ?? []).map((one) => one.target)];
  return targets.some(({ toolComponent }) => /cwe|owasp|capec/i.test(toolComponent?.name ?? ''));
}

function tagsOf(rule: SarifRule | null): string[] {
  const tags = rule?.properties?.['tags'];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
}

function securityScore(result: SarifResult, rule: SarifRule | null): number | null {
  const said = result.properties?.['security-severity'] ?? rule?.properties?.['security-severity'];
  if (said === undefined || said === null) return null;
  const score = typeof said === 'number' ? said : typeof said === 'string' && said.trim() !== '' ? Number(said) : Number.NaN;
  if (!(score >= 0 && score <= 10)) throw damaged('a security-severity is no number from 0 to 10.');
  return score;
}

/** `properties.effortMinutes`, of the result or its rule; an extension of ours that few tools need. */
function minutesOf(result: SarifResult, rule: SarifRule | null): number | null {
  const said = result.properties?.['effortMinutes'] ?? rule?.properties?.['effortMinutes'];
  return typeof said === 'number' && said >= 0 && Number.isFinite(said) ? said : null;
}

function placeOf({ locations }: SarifResult, run: SarifRun): { path: string | null; line: number | null; endLine: number | null } {
  const physical = locations?.[0]?.physicalLocation;
  const said = physical?.artifactLocation;
  const { uri, uriBaseId } = said?.uri === undefined ? (run.artifacts?.[said?.index ?? -1]?.location ?? {}) : said;
  const line = physical?.region?.startLine ?? null;
  const endLine = physical?.region?.endLine ?? line;
  if (uri === undefined) return { path: null, line: null, endLine: null };
  return { path: pathOf(withBase(uri, uriBaseId, run.originalUriBaseIds ?? {}, 0)), line, endLine };
}

const MOST_BASES = 10;

/** A relative address by its base, which may be relative to another one (3.14.14). */
function withBase(uri: string, id: string | undefined, bases: NonNullable<SarifRun['originalUriBaseIds']>, depth: number): string {
  const base = bases[id ?? ''];
  if (/^[a-z][a-z0-9+.-]*:/i.test(uri) || uri.startsWith('/') || base?.uri === undefined || depth === MOST_BASES) return uri;
  return withBase(`${base.uri}${uri}`, base.uriBaseId, bases, depth + 1);
}

function pathOf(uri: string): string {
  const plain = uri.replace(/^file:\/\/(localhost)?/i, '');
  try {
    return decodeURIComponent(plain);
  } catch {
    throw damaged(`"${uri.slice(0, 60)}" is no address of a file.`);
  }
}
