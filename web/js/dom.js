/**
 * Making elements. Whatever comes from a server or a receiver becomes a text node or an attribute that cannot run:
 * nothing here parses HTML, sets an event handler from a string, or links anywhere but into this page.
 */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {any} Child a node, a text or a number, an array of them; null, undefined and false are left out */

/**
 * @param {string} spec tag and classes: "p.muted.small"
 * @param {Record<string, any>|Child} [props] attributes; on… are listeners, vars are CSS custom properties
 * @param {...Child} children
 * @returns {any} the element
 */
export function h(spec, props, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  if (isProps(props)) setAll(element, props);
  else children.unshift(/** @type {Child} */ (props));
  append(element, children);
  return element;
}

function isProps(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Node);
}

/** @param {Element} element @param {Record<string, any>} props */
function setAll(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (name === "vars") setVars(/** @type {HTMLElement} */ (element), value);
    else if (name === "value") /** @type {any} */ (element).value = value;
    else element.setAttribute(name, attribute(name, value));
  }
}

function setVars(element, vars) {
  for (const [name, value] of Object.entries(vars)) element.style.setProperty(name, String(value));
}

function attribute(name, value) {
  if (value === true) return "";
  const text = String(value);
  if (name === "href" && !/^(#|blob:)/.test(text)) throw new Error("links lead into this page only");
  return text;
}

/** @param {Node} parent @param {Child[]} children */
export function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Puts other children into an element. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.textContent = "";
  append(element, children);
}

/** Sets the text only if it differs: a live region must not speak twice. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let ids = 0;

/** @param {string} prefix @returns {string} an id no other element of the page has */
export function uniqueId(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}

const paths = {
  alert: "M8 1.8 15 14H1L8 1.8Zm0 4.4v4M8 12v.1",
  check: "M14.5 8a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0ZM5 8.2l2.2 2.2L11 6",
  cross: "M14.5 8a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0ZM5.7 5.7l4.6 4.6m0-4.6-4.6 4.6",
  close: "m3.5 3.5 9 9m0-9-9 9",
  clock: "M14.5 8a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0ZM8 4.3V8l2.5 1.8",
  dot: "M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z",
  inbox: "M1.8 9.5 4 2.8h8l2.2 6.7v3.7H1.8V9.5Zm0 0h3.7l1 1.7h3l1-1.7h3.7",
  replay: "M13.5 8A5.5 5.5 0 1 1 11.7 4M13.5 1.8v3.4h-3.4",
  trash: "M2.5 4.2h11M6 4V2.2h4V4m2.3.2-.7 9.6H4.4l-.7-9.6",
  pause: "M5 2.8v10.4M11 2.8v10.4",
  play: "M4.5 2.5v11l8.5-5.5-8.5-5.5Z",
  copy: "M5.5 5.5h8v8h-8v-8Zm-2 5h-1v-8h8v1",
  down: "M8 2v8m0 0L4.8 7M8 10l3.2-3M2.5 13.5h11",
  left: "M10 3 5 8l5 5",
  sun: "M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM8 1v1.6m0 10.8V15M1 8h1.6m10.8 0H15M3 3l1.2 1.2m7.6 7.6L13 13M3 13l1.2-1.2m7.6-7.6L13 3",
  moon: "M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2Z",
  help: "M14.5 8a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0ZM6 6.3a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.1M8 11.4v.1",
  out: "M9.5 2.5h-7v11h7M6.5 8h8m0 0-2.8-2.8M14.5 8l-2.8 2.8",
};

/** A decorative line drawing: words beside it say the same. @param {string} name of one of the paths @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [k, v] of Object.entries({ class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" })) svg.setAttribute(k, v);
  const pen = { d: paths[name], fill: "none", stroke: "currentColor", "stroke-width": "1.6", "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [k, v] of Object.entries(pen)) path.setAttribute(k, v);
  svg.appendChild(path);
  return svg;
}
