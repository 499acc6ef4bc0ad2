/**
 * Attaches an image and dies of SIGKILL after the n-th call: `crash IMAGE PARTSCAN N`.
 *
 * Prints `loop NUMBER` for each device it meant to use, before it touches it. Where the attach
 * takes fewer calls, it detaches, prints `complete` and exits 0.
 */
import { writeSync } from "node:fs";
import { Place } from "../../../assembly/abi.ts";
import { LinuxKernel } from "../../../host/linux/kernel.ts";
import { Session } from "../../../host/session.ts";
import type { PartscanMode } from "../../../host/types.ts";
import { WatchedKernel } from "../kernels.ts";

const [image = "", partscan = "", count = ""] = process.argv.slice(2);
const kernel = new WatchedKernel(new LinuxKernel());
kernel.before = ({ place, number }) => {
  if (place === Place.Disk) {
    writeSync(1, `loop ${number}\n`);
  }
  return undefined;
};
kernel.after = (_call, index) => {
  if (index === Number(count)) {
    process.kill(process.pid, "SIGKILL");
    // The signal is there before kill returns to us; nothing below runs.
    for (;;);
  }
  return undefined;
};
const session = new Session(kernel);
const attachment = await session.attach(image, { partscan: partscan as PartscanMode });
const { calls } = kernel;
await attachment.detach();
await session.close();
console.log(`complete ${calls}`);
