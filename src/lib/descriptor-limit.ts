/** How many descriptors this process, and each that it starts, may have open. Node raises its own to the most that is allowed. */
export function descriptorLimit(): number {
  const report = process.report.getReport() as { readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } } };
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isFinite(soft) ? soft : UNLIMITED;
}

const UNLIMITED = 1_048_576;
