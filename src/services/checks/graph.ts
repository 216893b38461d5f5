/** One thing to do, and what must have been done well before. */
export interface Node {
  readonly name: string;
  readonly needs: readonly string[];
}

export interface GraphOptions<N extends Node, R> {
  /** Does one; resolves in any case. */
  run(node: N, signal: AbortSignal): Promise<R>;
  isGood(result: R): boolean;
  /** What a node is that was never begun. `because`: the node that went wrong. */
  skipped(node: N, because: string): R;
  readonly slots: Slots;
  /** Aborted at the first that goes wrong, when there is one; graphs that share it stop together. Otherwise only what needs it is left out. */
  readonly stop: AbortController | null;
  readonly signal: AbortSignal;
}

/** Does all nodes, side by side as far as needs and slots allow. Results in the order of the nodes. */
export async function runGraph<N extends Node, R>(nodes: readonly N[], options: GraphOptions<N, R>): Promise<R[]> {
  const results = new Map<string, Promise<R>>();
  const signal = options.stop === null ? options.signal : AbortSignal.any([options.signal, options.stop.signal]);
  let firstBad: string | null = null;
  const begin = async (node: N): Promise<R> => {
    for (const need of node.needs) {
      const result = await results.get(need);
      if (result !== undefined && !options.isGood(result)) return options.skipped(node, need);
    }
    const free = await options.slots.take(signal);
    if (free === null) return options.skipped(node, firstBad ?? node.name);
    try {
      const result = await options.run(node, signal);
      if (!options.isGood(result)) {
        firstBad ??= node.name;
        options.stop?.abort(new Error(`${node.name} failed`));
      }
      return result;
    } finally {
      free();
    }
  };
  // A node comes after what it needs, so that those are known already.
  for (const node of nodes) results.set(node.name, begin(node));
  const all = await Promise.all(results.values());
  options.signal.throwIfAborted();
  return all;
}

/** So many at a time, first come first served. */
export interface Slots {
  /** Wait for a free one; call what is returned to give it back. Null when the signal fires first. */
  take(signal: AbortSignal): Promise<(() => void) | null>;
}

export function slots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  const give = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  const once = (): (() => void) => {
    let isGiven = false;
    return () => {
      if (!isGiven) give();
      isGiven = true;
    };
  };
  return {
    take(signal) {
      if (signal.aborted) return Promise.resolve(null);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(once());
      }
      return new Promise((resolve) => {
        const mine = (): void => {
          signal.removeEventListener('abort', leave);
          resolve(once());
        };
        const leave = (): void => {
          const at = waiting.indexOf(mine);
          if (at >= 0) waiting.splice(at, 1);
          resolve(null);
        };
        waiting.push(mine);
        signal.addEventListener('abort', leave, { once: true });
      });
    },
  };
}
