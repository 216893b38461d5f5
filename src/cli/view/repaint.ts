export interface Painter {
  /** Show these lines in place of those shown before. */
  paint(lines: readonly string[]): void;
  /** Say something in between: it stays, above what is painted. */
  above(text: string): void;
  /** Leave what is shown, and the cursor below it. */
  done(): void;
}

/** Paints over its own last lines. Never more than fit: what has scrolled away cannot be painted over. */
export function createPainter(write: (text: string) => void, rows: () => number): Painter {
  let shown: readonly string[] = [];
  let isHidden = false;
  const replace = (lines: readonly string[], kept: string): void => {
    const hide = isHidden ? '' : '\u001b[?25l';
    isHidden = true;
    const up = shown.length === 0 ? '' : `\u001b[${shown.length}A`;
    // Each line is cleared to its end, and whatever is below: no flicker, nothing left over.
    write(`${hide}${up}\r${kept}${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
    shown = lines;
  };
  return {
    paint(lines) {
      const most = Math.max(1, rows() - 1);
      const visible = lines.length > most ? [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more`] : lines;
      if (visible.join('\n') !== shown.join('\n')) replace(visible, '');
    },
    above: (text) => replace(shown, `${text}\u001b[K\n`),
    done() {
      if (isHidden) write('\u001b[?25h');
      isHidden = false;
      shown = [];
    },
  };
}
