/** Attaches the image that standard input names, and detaches it, until it is killed. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { attach } from "../../../host/index.ts";

console.log("ready");
const [image] = (await once(createInterface(process.stdin), "line")) as [string];
console.log("attaching");
for (;;) {
  for (const partscan of ["kernel", "user"] as const) {
    const attachment = await attach(image, { partscan });
    await attachment.detach();
  }
}
