/**
 * The command within this process, on the kernel that runs, where starting one for each takes too
 * long: parsed, run and reported as ever, by a session of its own, which is traced as a process's
 * is. What only a process can show, a test starts one for.
 */
import type { Outcome } from "./process.ts";

/** A command line to its end, however long that takes. */
export async function commandHere(args: readonly string[]): Promise<Outcome> {
  const began = performance.now();
  // Late, for those who never need it.
  const [{ apiOf }, { LinuxKernel }, { Session }, { runCommand }] = await Promise.all([
    import("../../host/cli/api.ts"),
    import("../../host/linux/kernel.ts"),
    import("../../host/session.ts"),
    import("./command.ts"),
  ]);
  const session = new Session(new LinuxKernel());
  try {
    const line = args.map((word) => word.replaceAll(" ", "\u00a0")).join(" ");
    const { code, stdout, stderr } = await runCommand(line, apiOf(session));
    return { status: code, signal: null, stdout, stderr, tookMs: performance.now() - began };
  } finally {
    await session.close();
  }
}
