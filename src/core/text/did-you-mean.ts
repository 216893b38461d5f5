/**
 * The candidate closest to what was written, or null when none is close enough to be meant.
 * Close enough: at most a third of the letters differ (but always one, and never more than three),
 * or one is the beginning of the other.
 */
export function didYouMean(written: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  const wanted = written.toLowerCase();
  for (const candidate of candidates) {
    const name = candidate.toLowerCase();
    const limit = Math.min(3, Math.max(1, Math.floor(Math.max(wanted.length, name.length) / 3)));
    const isPrefix = wanted.length >= 3 && (name.startsWith(wanted) || (name.length >= 3 && wanted.startsWith(name)));
    const distance = editDistance(wanted, name);
    const rank = isPrefix ? Math.min(distance, limit) : distance;
    if (rank <= limit && rank < bestDistance) {
      best = candidate;
      bestDistance = rank;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, at(i - 2, j - 2) + 1);
      row.push(cost);
    }
  }
  return at(a.length, b.length);
}

/** ` Did you mean "x"?` with a leading space, or nothing. */
export function suggestion(written: string, candidates: readonly string[]): string {
  const meant = didYouMean(written, candidates);
  return meant === null ? '' : ` Did you mean "${meant}"?`;
}
