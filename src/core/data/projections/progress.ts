import type { Checkpoint } from './shards.ts';

export interface BuildProgress {
  /** 0 to 1. */
  readonly share: number;
  readonly events: number;
  /** Events a second, null until it is known. */
  readonly rate: number | null;
  /** Milliseconds to go, null while nobody works on it. */
  readonly etaMs: number | null;
}

/** Two looks at a build, some time apart: how fast it goes, and how long it will still take. */
export function progressOf(
  upper: number,
  checkpoints: readonly Checkpoint[],
  before: { readonly events: number; readonly share: number; readonly at: number } | null,
  now: number,
): BuildProgress {
  const share = shareOf(upper, checkpoints);
  const events = checkpoints.reduce((sum, one) => sum + one.events, 0);
  const elapsed = before === null ? 0 : now - before.at;
  if (before === null || elapsed <= 0 || events < before.events) return { share, events, rate: null, etaMs: null };
  const rate = ((events - before.events) * 1000) / elapsed;
  const speed = (share - before.share) / elapsed;
  return { share, events, rate: Math.round(rate), etaMs: share >= 1 ? 0 : speed > 0 ? Math.round((1 - share) / speed) : null };
}

function shareOf(upper: number, checkpoints: readonly Checkpoint[]): number {
  if (checkpoints.length === 0 || upper <= 0) return 1;
  const parts = checkpoints.map(({ done, position, ahead }) => (done ? 1 : Math.min(1, Math.max(position, ahead) / upper)));
  return parts.reduce((sum, one) => sum + one, 0) / parts.length;
}
