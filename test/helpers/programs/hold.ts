/**
 * Holds a node open until a signal comes: `hold open|exclusive PATH`. Says `holding`.
 */
import { constants, openSync } from "node:fs";

const [what = "", path = ""] = process.argv.slice(2);
openSync(path, constants.O_RDONLY | (what === "exclusive" ? constants.O_EXCL : 0));
console.log("holding");
setInterval(() => {}, 60_000);
