/** Two texts as a unified diff with three lines around each change; '' when they are equal. */
export function unifiedDiff(path: string, before: string, after: string): string {
  const [a, b] = [linesOf(before), linesOf(after)];
  const edits = editsOf(a, b);
  if (edits.every(({ kind }) => kind === ' ')) return '';
  const near = edits.map((_, i) => edits.slice(Math.max(0, i - 3), i + 4).some(({ kind }) => kind !== ' '));
  const out = [`--- ${path}`, `+++ ${path} (as sluice init would write it)`];
  let [oldLine, newLine] = [1, 1];
  for (let i = 0; i < edits.length;) {
    if (near[i] !== true) {
      oldLine += 1;
      newLine += 1;
      i += 1;
      continue;
    }
    let end = i;
    while (end < edits.length && near[end] === true) end += 1;
    const hunk = edits.slice(i, end);
    const [removed, added] = [hunk.filter(({ kind }) => kind !== '+').length, hunk.filter(({ kind }) => kind !== '-').length];
    out.push(`@@ -${oldLine},${removed} +${newLine},${added} @@`, ...hunk.map(({ kind, line }) => `${kind}${line}`));
    oldLine += removed;
    newLine += added;
    i = end;
  }
  return out.join('\n');
}

interface Edit {
  readonly kind: ' ' | '-' | '+';
  readonly line: string;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

/** Longest common subsequence; texts are short. Beyond 2,000 lines all of the one gives way to all of the other. */
function editsOf(a: readonly string[], b: readonly string[]): Edit[] {
  if (a.length > 2000 || b.length > 2000)
    return [...a.map((line): Edit => ({ kind: '-', line })), ...b.map((line): Edit => ({ kind: '+', line }))];
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        a[i] === b[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      edits.push({ kind: ' ', line: a[i] ?? '' });
      i += 1;
      j += 1;
    } else if (i < a.length && (j === b.length || (lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0))) {
      edits.push({ kind: '-', line: a[i] ?? '' });
      i += 1;
    } else {
      edits.push({ kind: '+', line: b[j] ?? '' });
      j += 1;
    }
  }
  return edits;
}
