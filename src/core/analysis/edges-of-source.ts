/** Shortest and longest latency that an exponential histogram is cut at, ms. */
const [SHORTEST_MS, LONGEST_MS] = [0.1, 600_000];

/** Upper edges, in ms, of OpenTelemetry's and Prometheus' exponential buckets: powers of 2^(2^-scale) of their unit. */
function exponentialEdgesMs(scale: number, unitMs: number): number[] {
  const perOctave = 2 ** scale;
  const first = Math.ceil(Math.log2(SHORTEST_MS / unitMs) * perOctave);
  const last = Math.floor(Math.log2(LONGEST_MS / unitMs) * perOctave);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => unitMs * 2 ** ((first + i) / perOctave));
}

/**
 * Cut at by the client libraries of both, when nobody says otherwise. Python's and OpenTelemetry's cut at 75, 750 and
 * 7500 ms too, Go's do not: an edge that is not there would move the margin.
 */
export const USUAL_EDGES: readonly number[] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** Edges in ms as a source's settings have them: a list, or the scale (and unit) of exponential ones; null where nothing is said. */
export function edgesSaid(bucketsMs: unknown): readonly number[] | null {
  if (Array.isArray(bucketsMs)) return bucketsMs.map(Number).toSorted((a, b) => a - b);
  if (typeof bucketsMs !== 'object' || bucketsMs === null || !('scale' in bucketsMs)) return null;
  return exponentialEdgesMs(Number(bucketsMs.scale), 'unit' in bucketsMs && bucketsMs.unit === 'ms' ? 1 : 1000);
}

/** The first of `edges` that lies inside a bucket, which is where latencies cannot be cut; null: all can be. */
export function edgeWithin(edges: readonly number[], low: number, high: number): number | null {
  return edges.find((edge) => edge > low * (1 + 1e-6) && edge < high * (1 - 1e-6)) ?? null;
}
