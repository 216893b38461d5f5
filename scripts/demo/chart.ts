/** A change of an app's weights. */
export interface Shift {
  readonly at: number;
  readonly app: string;
  readonly environment: string;
  readonly weights: Readonly<Record<string, number>>;
  /** Name of the release that did it. */
  readonly release: string;
}

/** Something to mark on the time axis. */
export interface Moment {
  readonly at: number;
  readonly name: string;
}

const COLUMNS = 72;
const LABEL = 22;
const LEVELS = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** One line a version, its share of the traffic from left to right, and the moments below. */
export function drawWeights(shifts: readonly Shift[], moments: readonly Moment[], until: number): string[] {
  const ordered = shifts.toSorted((a, b) => a.at - b.at);
  const [first] = ordered;
  if (first === undefined) return ['no traffic was ever shifted'];
  const column = (until - first.at) / COLUMNS;
  const at = (index: number): number => first.at + (index + 1) * column;
  const names = new Map<string, string>();
  // A version that was not there before is the one that the release brings.
  for (const { weights, release } of ordered) {
    for (const version of Object.keys(weights)) if (!names.has(version)) names.set(version, release.replace(/ to .*/, ''));
  }
  const rows = [...names].map(([version, name]) => {
    const cells = Array.from({ length: COLUMNS }, (_, index) => {
      // The largest share within the column, so that a short one is not lost between two columns.
      const before = ordered.findLast((shift) => shift.at <= at(index - 1));
      const within = ordered.filter((shift) => shift.at > at(index - 1) && shift.at <= at(index));
      return mark(Math.max(...[...(before === undefined ? [] : [before]), ...within].map(({ weights }) => weights[version] ?? 0)));
    });
    return `${name.padEnd(LABEL)}${cells.join('')}`;
  });
  const marks = moments.map((moment) => `${' '.repeat(LABEL + Math.max(0, Math.floor((moment.at - first.at) / column)))}↑ ${moment.name}`);
  const length = `${((until - first.at) / 1000).toFixed(0)} s`;
  return [...rows, ...marks, `${' '.repeat(LABEL)}0 s${length.padStart(COLUMNS - 3)}`];
}

function mark(weight: number): string {
  return LEVELS[weight === 0 ? 0 : Math.max(1, Math.round((weight / 100) * 8))] ?? '█';
}
