import { setTimeout as sleep } from 'node:timers/promises';
import type { ReportContent } from '../../core/gates/contents.ts';
import type { ReadContext } from '../../ports/reports.ts';
import { addressOf, askJson } from './ask.ts';
import { damaged, Unreadable } from './damage.ts';
import { jsonOf, textOf } from './encoding.ts';
import { ceTaskSchema, projectStatusSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/**
 * SonarQube's quality gate of one very analysis. What is read is the scanner's `report-task.txt`: its task says which
 * analysis it became, and the gate of that one is asked for; never a project's latest, which may be another's.
 * A file that is the answer of `project_status` itself is taken as it is.
 */
export const sonarqubeReader = wholeReader('sonarqube', async (bytes, context) => {
  const text = textOf(bytes);
  return text.trimStart().startsWith('{') ? parseProjectStatus(bytes) : askQualityGate(parseReportTask(bytes), context);
});

function parseProjectStatus(bytes: Uint8Array): ReportContent {
  return statusOf(jsonOf(bytes));
}

function statusOf(value: unknown): ReportContent {
  const { status, conditions } = checked(projectStatusSchema, value).projectStatus;
  return {
    kind: 'qualityGate',
    status,
    conditions: (conditions ?? []).map((one) => ({
      metric: one.metricKey,
      status: one.status,
      actual: one.actualValue ?? null,
      threshold: one.errorThreshold ?? null,
    })),
  };
}

interface ReportTask {
  readonly serverUrl: string;
  readonly ceTaskId: string;
}

/** Java properties: `key=value` lines. */
function parseReportTask(bytes: Uint8Array): ReportTask {
  const text = textOf(bytes);
  if (text.trim() === '') throw new Unreadable('empty', 'the file is empty.');
  const entries = text.split(/\r?\n/).flatMap((line): [string, string][] => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const at = line.indexOf('=');
    if (at <= 0) throw damaged(`"${line.slice(0, 40)}" is no line of report-task.txt.`);
    return [
      [
        line.slice(0, at).trim(),
        line
          .slice(at + 1)
          .trim()
          .replaceAll('\\:', ':')
          .replaceAll('\\=', '='),
      ],
    ];
  });
  const values = new Map(entries);
  const [serverUrl, ceTaskId] = [values.get('serverUrl'), values.get('ceTaskId')];
  if (serverUrl === undefined || ceTaskId === undefined || !/^[\w-]{1,100}$/.test(ceTaskId)) throw damaged('it names no server and task.');
  return { serverUrl, ceTaskId };
}

/** Between two looks at a task, ms; SonarQube takes seconds to minutes. */
const PAUSE_MS = 1000;
/** Looks at a task before it counts as stuck: ten minutes. */
const LOOKS = 600;

async function askQualityGate({ serverUrl, ceTaskId }: ReportTask, context: ReadContext): Promise<ReportContent> {
  const server = context.server ?? serverUrl;
  const headers: Record<string, string> = context.token === null ? {} : { authorization: `Bearer ${context.token}` };
  const ask = (path: string): Promise<unknown> => askJson(withQuery(server, path), context, { headers });
  for (let look = 0; look < LOOKS; look += 1) {
    const { task } = checked(ceTaskSchema, await ask(`/api/ce/task?id=${encodeURIComponent(ceTaskId)}`));
    if (task.status === 'SUCCESS') {
      if (task.analysisId === undefined) throw damaged('the task became no analysis.');
      return statusOf(await ask(`/api/qualitygates/project_status?analysisId=${encodeURIComponent(task.analysisId)}`));
    }
    if (task.status !== 'PENDING' && task.status !== 'IN_PROGRESS')
      throw new Unreadable(
        'unreachable',
        `the analysis ended as ${task.status.slice(0, 20)}: ${task.errorMessage?.slice(0, 200) ?? 'SonarQube does not say why'}.`,
      );
    await sleep(PAUSE_MS, undefined, { signal: context.signal });
  }
  throw new Unreadable('unreachable', 'SonarQube did not get through with the analysis in ten minutes.');
}

function withQuery(server: string, path: string): URL {
  const [name = '', query = ''] = path.split('?');
  const url = addressOf(server, name);
  url.search = query;
  return url;
}
