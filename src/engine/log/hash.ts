import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/canonical.ts';

export interface Hashed {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schema: number;
  readonly at: number;
  readonly data: unknown;
}

/** One link of the audit chain: this event together with the hash of the one before. */
export function chainHash(previous: string, event: Hashed): string {
  const { position, stream, version, type, schema, at, data } = event;
  const text = canonicalJson({ previous, position, stream, version, type, schema, at, data });
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
