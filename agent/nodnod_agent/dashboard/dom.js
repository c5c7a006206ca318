// DOM elements: built from text, never from markup, and written only where a value differs.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children. A string child becomes text. */
export function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** The same for an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

/** Text for screen readers only. */
export function unseen(text) {
  return el("span", { class: "unseen" }, text);
}

/** An icon: a symbol of index.html. */
export function icon(name) {
  const use = svg("use", { href: `#i-${name}` });
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, use);
}

/** Let an icon show another symbol. */
export function changeIcon(element, name) {
  mark(element.firstChild, "href", `#i-${name}`);
}

/** Set an element's text, if it differs from the current one. */
export function write(element, text) {
  if (element.written === text) {
    return;
  }
  const first = element.firstChild;
  if (element.written && first?.nodeType === Node.TEXT_NODE && first === element.lastChild) {
    first.data = text ?? ""; // cheaper than a new text node
  } else {
    element.textContent = text;
  }
  element.written = text;
}

/** Set an attribute, if it differs from the current value; null removes it. */
export function mark(element, name, value) {
  if (value === null) {
    element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

/** Show or hide. */
export function show(element, shown) {
  if (element.hidden === shown) {
    element.hidden = !shown;
  }
}

/**
 * Let `parent` have exactly these children, in this order. Children in place stay untouched, and one
 * that is moved keeps the keyboard focus.
 */
export function arrange(parent, children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let next = parent.firstChild;
  for (const child of children) {
    if (child === next) {
      next = next.nextSibling;
    } else {
      parent.insertBefore(child, next);
    }
  }
  while (next !== null) {
    const surplus = next;
    next = next.nextSibling;
    surplus.remove();
  }
  if (focused !== document.activeElement) {
    focused?.focus({ preventScroll: true });
  }
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children);
  return element;
}
