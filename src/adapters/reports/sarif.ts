import type { RawFinding, ReportContent } from '../../core/gates/contents.ts';
import type { FindingKind, Severity } from '../../core/gates/finding.ts';
import { damaged, Unreadable } from './damage.ts';
import { jsonOf } from './encoding.ts';
import type { SarifResult, SarifRule } from './schema.ts';
import { sarifSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/** SARIF 2.1.0 of linters, analysers and scanners of containers. */
export const sarifReader = wholeReader('sarif', parseSarif);

function parseSarif(bytes: Uint8Array): ReportContent {
  const { runs } = checked(sarifSchema, jsonOf(bytes));
  if (runs.length === 0) throw new Unreadable('empty', 'it has no run.');
  const findings = runs.flatMap((run) => {
    const tool = run.tool.driver.name;
    if (run.invocations?.some((one) => !one.executionSuccessful) === true)
      throw damaged(`${tool} says itself that it did not get through.`);
    // No results is not the same as none: it says that they were not determined.
    if (run.results === undefined || run.results === null) throw damaged(`a run of ${tool} has no list of results.`);
    const parts = [run.tool.driver, ...(run.tool.extensions ?? [])];
    const rules = new Map(parts.flatMap((part) => part.rules ?? []).map((rule) => [rule.id, rule]));
    return run.results.flatMap((result) => {
      const id = result.ruleId ?? result.rule?.id ?? parts[0]?.rules?.[result.ruleIndex ?? result.rule?.index ?? -1]?.id ?? null;
      return findingOf(tool, id ?? 'unnamed', rules.get(id ?? ''), result, run.originalUriBaseIds ?? {});
    });
  });
  return { kind: 'findings', tool: runs.map((run) => run.tool.driver.name).join(', '), findings };
}

type Bases = Readonly<Record<string, { readonly uri?: string | undefined }>>;

function findingOf(tool: string, id: string, rule: SarifRule | undefined, result: SarifResult, bases: Bases): RawFinding[] {
  const kind = result.kind ?? 'fail';
  if (kind === 'pass' || kind === 'notApplicable' || kind === 'informational' || result.baselineState === 'absent') return [];
  const isSuppressed =
    (result.suppressions ?? []).length > 0 && (result.suppressions ?? []).every((one) => (one.status ?? 'accepted') === 'accepted');
  // Suppressed in the source, with the tool's own means. A hotspot that somebody looked at is told as such.
  if (isSuppressed && kind !== 'review') return [];
  const level = result.level ?? rule?.defaultConfiguration?.level ?? 'warning';
  if (level === 'none' && kind === 'fail') return [];
  const score = securityScore(result, rule);
  const { path, line, endLine } = placeOf(result, bases);
  const prints = { ...result.partialFingerprints, ...result.fingerprints };
  return [
    {
      tool,
      rule: id,
      kind: kind === 'review' ? 'hotspot' : kindOf(level, score, tagsOf(rule)),
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

const BY_LEVEL: Readonly<Record<'none' | 'note' | 'warning' | 'error', Severity>> = {
  none: 'info',
  note: 'info',
  warning: 'minor',
  error: 'major',
};

/** CVSS, as scanners give it: 9 and more critical, from 7 high, from 4 medium, else low. */
function byScore(score: number): Severity {
  return score >= 9 ? 'blocker' : score >= 7 ? 'critical' : score >= 4 ? 'major' : score > 0 ? 'minor' : 'info';
}

function kindOf(level: 'none' | 'note' | 'warning' | 'error', score: number | null, tags: readonly string[]): FindingKind {
  if (score !== null || tags.some((tag) => /security|vulnerab|cwe/i.test(tag))) return 'vulnerability';
  return level === 'error' || tags.some((tag) => /^(bug|correctness|reliability)$/i.test(tag)) ? 'bug' : 'codeSmell';
}

function tagsOf(rule: SarifRule | undefined): string[] {
  const tags = rule?.properties?.['tags'];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
}

function securityScore(result: SarifResult, rule: SarifRule | undefined): number | null {
  const said = result.properties?.['security-severity'] ?? rule?.properties?.['security-severity'];
  if (said === undefined || said === null) return null;
  const score = typeof said === 'number' ? said : typeof said === 'string' && said.trim() !== '' ? Number(said) : Number.NaN;
  if (!(score >= 0 && score <= 10)) throw damaged('a security-severity is no number from 0 to 10.');
  return score;
}

/** `properties.effortMinutes`, of the result or its rule; an extension of ours that few tools need. */
function minutesOf(result: SarifResult, rule: SarifRule | undefined): number | null {
  const said = result.properties?.['effortMinutes'] ?? rule?.properties?.['effortMinutes'];
  return typeof said === 'number' && said >= 0 && Number.isFinite(said) ? said : null;
}

function placeOf({ locations }: SarifResult, bases: Bases): { path: string | null; line: number | null; endLine: number | null } {
  const physical = locations?.[0]?.physicalLocation;
  const uri = physical?.artifactLocation?.uri;
  const line = physical?.region?.startLine ?? null;
  const endLine = physical?.region?.endLine ?? line;
  if (uri === undefined) return { path: null, line: null, endLine: null };
  const base = bases[physical?.artifactLocation?.uriBaseId ?? '']?.uri ?? '';
  return { path: pathOf(/^[a-z][a-z0-9+.-]*:/i.test(uri) || uri.startsWith('/') ? uri : `${base}${uri}`), line, endLine };
}

function pathOf(uri: string): string {
  const plain = uri.replace(/^file:\/\/(localhost)?/i, '');
  try {
    return decodeURIComponent(plain);
  } catch {
    throw damaged(`"${uri.slice(0, 60)}" is no address of a file.`);
  }
}
