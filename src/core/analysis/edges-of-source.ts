/** Shortest and longest latency that an exponential histogram is cut at, ms. */
const [SHORTEST_MS, LONGEST_MS] = [0.1, 600_000];

/** Upper edges, in ms, of OpenTelemetry's and Prometheus' exponential buckets of seconds: powers of 2^(2^-scale). */
export function exponentialEdgesMs(scale: number): number[] {
  const perOctave = 2 ** scale;
  const first = Math.ceil(Math.log2(SHORTEST_MS / 1000) * perOctave);
  const last = Math.floor(Math.log2(LONGEST_MS / 1000) * perOctave);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 1000 * 2 ** ((first + i) / perOctave));
}

/** What client libraries of Prometheus and OpenTelemetry cut at when nobody says otherwise. */
export const DEFAULT_SCALE_EDGES: readonly number[] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
