export interface Painter {
  /** Show these lines in place of those shown before. */
  paint(lines: readonly string[]): void;
  /** Leave what is shown, and the cursor below it. */
  done(): void;
}

/** Paints over its own last lines. Never more than fit: what has scrolled away cannot be painted over. */
export function createPainter(write: (text: string) => void, rows: () => number): Painter {
  let shown = 0;
  let last = '';
  let isHidden = false;
  return {
    paint(lines) {
      const most = Math.max(1, rows() - 1);
      const visible = lines.length > most ? [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more`] : lines;
      const text = visible.join('\n');
      if (text === last) return;
      const hide = isHidden ? '' : '\u001b[?25l';
      isHidden = true;
      const up = shown === 0 ? '' : `\u001b[${shown}A`;
      // Each line is cleared to its end, and whatever is below: no flicker, nothing left over.
      write(`${hide}${up}\r${visible.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
      shown = visible.length;
      last = text;
    },
    done() {
      if (isHidden) write('\u001b[?25h');
      isHidden = false;
      shown = 0;
      last = '';
    },
  };
}
