/** What errnos are called, and what they say. Takes them positive. */
import { getSystemErrorMap } from "node:util";

/** `EBUSY` */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** `resource busy or locked` */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? "unknown error";
}
