/**
 * Another process that holds a node: an open descriptor, an exclusive one, a lock.
 */
import { type Running, start } from "./process.ts";
import { programPath } from "./root.ts";
import type { Scene } from "./scene.ts";

/** Resolves when the other process holds it; it ends with the scene at the latest. */
export async function hold(
  scene: Scene,
  what: "open" | "exclusive" | "lock",
  path: string,
): Promise<Running> {
  // Without a fork the process that /proc/locks names is the one that we end.
  const lock = ["--exclusive", "--no-fork", path, "sh", "-c", "echo holding; exec sleep 600"];
  const running =
    what === "lock"
      ? start("flock", lock)
      : start(process.execPath, [programPath("hold"), what, path]);
  scene.defer(() => running.stop("SIGKILL"));
  await running.shows("holding");
  return running;
}
