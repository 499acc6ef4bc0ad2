/** What ran where: for people who read a trace of another machine. */
import { readFileSync } from "node:fs";
import { version } from "node:os";

export function machineFacts(kernel: string): Readonly<Record<string, string>> {
  const capabilities = effectiveCapabilities();
  return {
    kernel,
    // A distribution's own version, where its release does not say it.
    build: version(),
    node: process.version,
    machine: process.arch,
    ...(capabilities !== undefined && { capabilities }),
  };
}

/** The mask of capabilities(7) in hex, as Linux shows it of a process (proc(5), CapEff). */
function effectiveCapabilities(): string | undefined {
  try {
    return /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
