// The bell in the header: how many alerts fire, and how severe the worst of them is.

import { SEVERITIES, countsText } from "./alerts.js";
import { mark, show, write } from "./dom.js";

export class Bell {
  constructor(button, onpress) {
    this.button = button;
    this.count = button.querySelector(".count");
    this.label = button.querySelector(".unseen");
    button.addEventListener("click", onpress);
  }

  /** Show the alerts; `open` is whether the panel that the bell opens is. */
  paint({ known, counts }, open) {
    show(this.button, known);
    mark(this.button, "aria-expanded", String(open));
    mark(this.button, "data-severity", counts.worst);
    write(this.count, counts.worst === null ? "" : `${SEVERITIES[counts.worst].sign} ${counts.loud}`);
    const label = `Alerts: ${countsText(counts) || "none"}`;
    write(this.label, label);
    mark(this.button, "title", label);
  }
}
