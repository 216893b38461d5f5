import { NOT_LOOKED_AT, type NotLookedAt } from './content.ts';
import type { SecretFinding } from './rule.ts';

interface Scanned {
  readonly findings: readonly SecretFinding[];
  readonly envFiles: readonly { readonly path: string; readonly problem: 'tracked' | 'notIgnored' }[];
  readonly skipped: readonly { readonly path: string; readonly reason: NotLookedAt }[];
  readonly undecided: readonly { readonly path: string; readonly rules: readonly string[] }[];
  readonly verdict: 'clean' | 'found' | 'undecided' | 'nothing';
}

/** What was found as SARIF 2.1.0, for gates and for GitHub: a result keeps its mark as the file around it changes. No secret is in it. */
export function secretsSarif({ findings, envFiles, skipped, undecided, verdict }: Scanned, version: string): object {
  const rules = new Map(findings.map((one) => [`secret/${one.rule}`, one.description]));
  const open = envFiles.map(({ path, problem }) => ({
    ruleId: `env-file/${problem}`,
    level: 'error',
    message: { text: problem === 'tracked' ? 'A file of variables is tracked.' : 'A file of variables is not ignored.' },
    partialFingerprints: { 'sluice/v1': `${problem} ${path}` },
    locations: [place(path, null)],
  }));
  for (const { ruleId, message } of open) rules.set(ruleId, message.text);
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'sluice scan', version, rules: [...rules].map(([id, text]) => ({ id, shortDescription: { text } })) } },
        automationDetails: { id: 'sluice/scan' },
        // A scan that did not get through, or looked at nothing, is no evidence.
        invocations: [
          {
            executionSuccessful: verdict === 'clean' || (verdict === 'found' && undecided.length === 0),
            toolExecutionNotifications: [
              ...skipped.map(({ path, reason }) => note('note', `Not looked at, ${NOT_LOOKED_AT[reason]}.`, path)),
              ...undecided.map(({ path, rules }) => note('error', `Not decided in time by ${rules.join(', ')}.`, path)),
            ],
          },
        ],
        results: [
          ...findings.map((one) => ({
            ruleId: `secret/${one.rule}`,
            level: 'error',
            message: { text: `${one.description} (mark ${one.mark.slice(0, 12)})` },
            partialFingerprints: { 'sluice/v1': `${one.rule} ${one.path} ${one.mark}` },
            locations: [place(one.path, { startLine: one.line })],
          })),
          ...open,
        ],
      },
    ],
  };
}

function note(level: 'note' | 'error', text: string, path: string): object {
  return { level, message: { text }, locations: [place(path, null)] };
}

function place(path: string, region: object | null): object {
  const uri = path.split('/').map(encodeURIComponent).join('/');
  return { physicalLocation: { artifactLocation: { uri }, ...(region === null ? {} : { region }) } };
}
