/** At most so many at once; the rest wait in the order they came. */
export interface Slots {
  /** Wait for a slot. @returns give it back (once) */
  take(): Promise<() => void>;
  readonly waiting: number;
}

export function createSlots(count: number): Slots {
  let free = count;
  const line: (() => void)[] = [];
  const giveBack = () => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = line.shift();
      if (next === undefined) free += 1;
      else next();
    };
  };
  return {
    get waiting() {
      return line.length;
    },
    async take() {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => line.push(resolve));
      return giveBack();
    },
  };
}
