/**
 * What the matrix of kernels needs of this machine, and how to get it. Knows nothing of kernels.
 */
import { accessSync, constants } from "node:fs";
import { arch } from "node:os";
import { delimiter, join } from "node:path";

/** Tools by the Debian package that has them. */
const always = { "qemu-system-x86_64": "qemu-system-x86", cpio: "cpio", tar: "tar" };
const toFetch = { debootstrap: "debootstrap", "apt-get": "apt", "dpkg-deb": "dpkg" };

/** Why no kernel can be booted here; undefined where it can. `isCached`: nothing is fetched. */
export function whyNotHere(isCached: boolean): string | undefined {
  if (arch() !== "x64") return `needs an x86-64 machine: Node says ${arch()}`;
  const tools = { ...always, ...(isCached ? {} : toFetch) };
  const lacking = Object.entries(tools).filter(([name]) => !isInPath(name));
  if (lacking.length > 0) {
    const names = lacking.map(([name]) => name).join(", ");
    const packages = lacking.map(([, name]) => name).join(" ");
    return `needs ${names} (Debian: apt-get install --no-install-recommends ${packages})`;
  }
  if (!isCached && process.getuid?.() !== 0) return "needs root: debootstrap makes a root with it";
  return undefined;
}

function isInPath(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
