/** Elements in few words. Texts become text nodes, whatever they hold. */

type Child = Node | string | null;
type Attributes = Readonly<Record<string, string | number | boolean | (() => void)>>;

/** An attribute that is a function listens to clicks; true is set without a value, false not. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  put(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  put(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function put(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener("click", value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** The page's own element of this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element as T;
}
