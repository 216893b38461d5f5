import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/text/canonical.ts';

export interface Hashed {
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schema: number;
  readonly at: number;
  readonly data: unknown;
}

/** What an event says, as a digest: everything but its place in the log. */
export function digestOf(event: Hashed): string {
  const { stream, version, type, schema, at, data } = event;
  return sha256(canonicalJson({ stream, version, type, schema, at, data }));
}

/** One link of the audit chain. `sluice.append` in the database makes the same one, because only there the place is known. */
export function chainHash(previous: string, position: number, digest: string): string {
  return `sha256:${sha256(`${previous}\n${position}\n${digest}`)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
