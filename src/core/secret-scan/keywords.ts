/**
 * Finds all keywords of all rules in one pass over the bytes (Aho–Corasick), whatever their case. Bytes that occur in no keyword share one
 * class, which keeps the table small enough for the processor's nearest cache.
 */
export interface Keywords {
  /** Calls back with the number of the keyword and the offset after its last byte. */
  find(bytes: Uint8Array, length: number, found: (keyword: number, end: number) => void): void;
}

export function keywordFinder(keywords: readonly string[]): Keywords {
  const classes = classesOf(keywords);
  const width = classes.count;
  const { next, outputs } = automaton(keywords, classes.of, width);
  const { of } = classes;
  // States that say nothing are most; one bit of each transition tells whether the state behind it does.
  const table = Int32Array.from(next, (state) => ((state * width) << 1) | ((outputs[state]?.length ?? 0) > 0 ? 1 : 0));
  return {
    find(bytes, length, found) {
      let state = 0;
      for (let i = 0; i < length; i += 1) {
        const step = table[state + (of[bytes[i] as number] as number)] as number;
        state = step >> 1;
        if ((step & 1) === 1) for (const keyword of outputs[state / width] ?? []) found(keyword, i + 1);
      }
    },
  };
}

/** The class of each byte; letters of both cases have the same. Class 0 is everything that no keyword has. */
function classesOf(keywords: readonly string[]): { readonly of: Uint8Array; readonly count: number } {
  const of = new Uint8Array(256);
  let count = 1;
  for (const letter of new Set(keywords.join('').toLowerCase())) {
    of[letter.charCodeAt(0)] = count;
    of[letter.toUpperCase().charCodeAt(0)] = count;
    count += 1;
  }
  return { of, count };
}

function automaton(keywords: readonly string[], of: Uint8Array, width: number): { next: number[]; outputs: number[][] } {
  const next: number[] = Array.from({ length: width }, () => -1);
  const outputs: number[][] = [[]];
  for (const [number, keyword] of keywords.entries()) {
    let state = 0;
    for (const letter of keyword) {
      const at = state * width + (of[letter.charCodeAt(0)] ?? 0);
      if ((next[at] ?? -1) < 0) {
        next[at] = outputs.length;
        outputs.push([]);
        for (let i = 0; i < width; i += 1) next.push(-1);
      }
      state = next[at] ?? 0;
    }
    outputs[state]?.push(number);
  }
  const fail: number[] = outputs.map(() => 0);
  const queue: number[] = [];
  for (let letter = 0; letter < width; letter += 1) {
    const state = next[letter] ?? -1;
    if (state < 0) next[letter] = 0;
    else queue.push(state);
  }
  for (let head = 0; head < queue.length; head += 1) {
    const state = queue[head] ?? 0;
    const behind = fail[state] ?? 0;
    outputs[state]?.push(...(outputs[behind] ?? []));
    for (let letter = 0; letter < width; letter += 1) {
      const at = state * width + letter;
      const target = next[at] ?? -1;
      const otherwise = next[behind * width + letter] ?? 0;
      if (target < 0) next[at] = otherwise;
      else {
        fail[target] = otherwise;
        queue.push(target);
      }
    }
  }
  return { next, outputs };
}
