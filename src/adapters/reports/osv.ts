import { z } from 'zod';
import type { Advisory, ReportContent } from '../../core/gates/contents.ts';
import type { ReadContext } from '../../ports/reports.ts';
import { addressOf, askJson } from './ask.ts';
import { damaged } from './damage.ts';
import { jsonOf } from './encoding.ts';
import type { LockedPackage } from './lockfile.ts';
import { isNpmLock, lockedPackages } from './lockfile.ts';
import type { OsvVulnerability } from './schema.ts';
import { osvListSchema, osvScannerSchema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/** OSV: the JSON of osv-scanner, a list of vulnerabilities, or a package lock that a server of OSV is asked about. */
export const osvReader = wholeReader('osv', async (bytes, context) => {
  const value = jsonOf(bytes);
  return isNpmLock(value) ? askServer(value, context) : parseOsv(value);
});

function parseOsv(value: unknown): ReportContent {
  if (typeof value !== 'object' || value === null) throw damaged('it is nothing of OSV.');
  if ('vulns' in value) {
    const { vulns } = checked(osvListSchema, value);
    const listed = vulns.flatMap((one) => {
      const names = [...new Set((one.affected ?? []).map((affected) => affected.package?.name ?? 'unknown'))];
      return (names.length === 0 ? ['unknown'] : names).flatMap((name) => advisoryOf(one, name, null));
    });
    return { kind: 'advisories', advisories: listed };
  }
  const { results } = checked(osvScannerSchema, value);
  const advisories = results.flatMap(({ packages }) =>
    packages.flatMap(({ package: { name, version }, vulnerabilities }) =>
      (vulnerabilities ?? []).flatMap((one) => advisoryOf(one, name, version ?? null)),
    ),
  );
  return { kind: 'advisories', advisories };
}

function advisoryOf(one: OsvVulnerability, name: string, version: string | null): Advisory[] {
  if (one.withdrawn !== undefined) return [];
  return [{ id: one.id, aliases: one.aliases ?? [], package: name, version, severity: severityOf(one), title: one.summary ?? '' }];
}

/** In words where the database has them (GitHub's does); a CVSS vector is left unknown, which gates take as severe. */
function severityOf({ database_specific: own, severity }: OsvVulnerability): Advisory['severity'] {
  const word = own?.severity?.toLowerCase();
  if (word === 'low' || word === 'moderate' || word === 'high' || word === 'critical') return word;
  if (word === 'medium') return 'moderate';
  const score = (severity ?? []).map((one) => Number(one.score)).find((number) => number >= 0 && number <= 10);
  return score === undefined ? 'unknown' : score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'moderate' : 'low';
}

/** Packages that one question holds at most. */
const BATCH = 1000;

const batchSchema = z.object({
  results: z.array(z.object({ vulns: z.array(z.object({ id: z.string() })).optional(), next_page_token: z.string().optional() })),
});
const vulnerabilitySchema = osvListSchema.shape.vulns.element;

async function askServer(lock: unknown, context: ReadContext): Promise<ReportContent> {
  const { server } = context;
  if (server === null) throw damaged('it is a package lock; say which server of OSV to ask about it, or give its answer.');
  const packages = lockedPackages(lock);
  const advisories: Advisory[] = [];
  const known = new Map<string, Promise<unknown>>();
  for (let from = 0; from < packages.length; from += BATCH) {
    const batch = packages.slice(from, from + BATCH);
    const queries = batch.map(({ name, version }) => ({ version, package: { name, ecosystem: 'npm' } }));
    const { results } = checked(batchSchema, await askJson(addressOf(server, '/v1/querybatch'), context, { body: { queries } }));
    if (results.length !== batch.length) throw damaged('the server answered about fewer packages than it was asked about.');
    if (results.some((one) => one.next_page_token !== undefined)) throw damaged('the server did not answer in full.');
    for (const [i, { vulns }] of results.entries())
      advisories.push(
        ...(await detailsOf(
          (vulns ?? []).map((one) => one.id),
          batch[i],
          known,
          server,
          context,
        )),
      );
  }
  return { kind: 'advisories', advisories };
}

async function detailsOf(
  ids: readonly string[],
  of: LockedPackage | undefined,
  known: Map<string, Promise<unknown>>,
  server: string,
  context: ReadContext,
): Promise<Advisory[]> {
  const found = await Promise.all(
    ids.map((id) => {
      const asked = known.get(id) ?? askJson(addressOf(server, `/v1/vulns/${encodeURIComponent(id)}`), context);
      known.set(id, asked);
      return asked;
    }),
  );
  return found.flatMap((one) => advisoryOf(checked(vulnerabilitySchema, one), of?.name ?? 'unknown', of?.version ?? null));
}
