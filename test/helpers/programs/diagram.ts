/**
 * Prints the README's diagram: `node build/test/helpers/programs/diagram.js`.
 */
import { transitionDiagram } from "../diagram.ts";

console.log(`\`\`\`mermaid\n${transitionDiagram()}\n\`\`\``);
