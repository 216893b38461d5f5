import type { Advisory, ReportContent } from '../../core/gates/contents.ts';
import type { ReadContext } from '../../ports/reports.ts';
import { addressOf, askJson } from './ask.ts';
import { damaged } from './damage.ts';
import { jsonOf } from './encoding.ts';
import { isNpmLock, lockedPackages } from './lockfile.ts';
import { npmAuditSchema, npmBulkSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/** Advisories of an npm registry: `npm audit --json`, the bulk API's answer, or a package lock that a registry is asked about. */
export const npmAuditReader = wholeReader('npm-audit', async (bytes, context) => {
  const value = jsonOf(bytes);
  return isNpmLock(value) ? askRegistry(value, context) : parseNpmAudit(value);
});

function parseNpmAudit(value: unknown): ReportContent {
  if (typeof value === 'object' && value !== null && ('error' in value || 'message' in value))
    throw damaged('it is an error, not an answer.');
  const advisories = typeof value === 'object' && value !== null && 'auditReportVersion' in value ? ofAudit(value) : ofBulk(value);
  return { kind: 'advisories', advisories };
}

function ofBulk(value: unknown): Advisory[] {
  return Object.entries(checked(npmBulkSchema, value)).flatMap(([name, found]) =>
    found.map((one) => advisory(name, one.id, one.url, one.severity, one.title)),
  );
}

function ofAudit(value: unknown): Advisory[] {
  const { vulnerabilities, metadata } = checked(npmAuditSchema, value);
  const entries = Object.entries(vulnerabilities);
  if (metadata.vulnerabilities.total > entries.length) throw damaged('it says that there are more vulnerabilities than it lists.');
  const found = entries.flatMap(([name, { via }]) =>
    via.flatMap((one) => (typeof one === 'string' ? [] : [advisory(name, one.source, one.url, one.severity, one.title)])),
  );
  if (found.length === 0 && entries.length > 0) throw damaged('it lists vulnerable packages, and no advisory.');
  return found;
}

function advisory(name: string, id: number, url: string | undefined, severity: string, title: string): Advisory {
  const ghsa = /GHSA(?:-[0-9a-z]{4}){3}/.exec(url ?? '')?.[0];
  return {
    id: ghsa ?? `npm:${id}`,
    aliases: ghsa === undefined ? [] : [`npm:${id}`],
    package: name,
    version: null,
    severity: severity === 'info' ? 'low' : (severity as Advisory['severity']),
    title,
  };
}

async function askRegistry(lock: unknown, context: ReadContext): Promise<ReportContent> {
  if (context.server === null)
    throw damaged('it is a package lock; say which registry to ask about it, or give the answer of npm audit --json.');
  const body: Record<string, string[]> = {};
  for (const { name, version } of lockedPackages(lock)) (body[name] ??= []).push(version);
  const headers: Record<string, string> = context.token === null ? {} : { authorization: `Bearer ${context.token}` };
  const answer = await askJson(addressOf(context.server, '/-/npm/v1/security/advisories/bulk'), context, { headers, body });
  return parseNpmAudit(answer);
}
