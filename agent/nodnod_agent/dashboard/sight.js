// What is in sight: elements tell when they come near the window and when they are out of it.

const MARGIN = "80px"; // so that a scrolling reader meets painted elements only

const watched = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      watched.get(target)(isIntersecting);
    }
  },
  { rootMargin: MARGIN },
);

/** Call `onsight` with whether the element is in sight, whenever that changes. */
export function watch(element, onsight) {
  watched.set(element, onsight);
  observer.observe(element);
}
