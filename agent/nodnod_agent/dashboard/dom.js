// Elements: made of text, never of markup, and touched only where something differs.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a string among these becomes text. */
export function el(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/** Text for those who listen to the page rather than see it. */
export function unseen(text) {
  return el("span", { class: "unseen" }, text);
}

/** One of the symbols in index.html. */
export function icon(name) {
  const use = svg("use", { href: `#i-${name}` });
  return svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, use);
}

/** Show another symbol. */
export function changeIcon(element, name) {
  mark(element.firstChild, "href", `#i-${name}`);
}

/** Set an element's text, if it is another than before. */
export function write(element, text) {
  if (element.written !== text) {
    element.written = text;
    element.textContent = text;
  }
}

/** Set an attribute, if it is another than before; null takes it away. */
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

/** Let `parent` have just these children, in this order, moving as few as can be. */
export function arrange(parent, children) {
  let place = parent.firstChild;
  for (const child of children) {
    if (child === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(child, place);
    }
  }
  while (place !== null) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children);
  return element;
}
