// The facts of a node: terms and values such as its system, kernel and memory.

import { el, write } from "./dom.js";
import { systemOf } from "./node.js";
import { bytes, count, duration, known, number, percent } from "./units.js";

export class Facts {
  constructor() {
    this.element = el("dl", { class: "facts" });
  }

  /** Show a node and its `detail` (or null). `clock` is the current time by the cluster's clock. */
  paint(node, detail, clock) {
    const rows = {
      Tags: node.tags.join(" · "),
      ...numbers(node, detail?.load),
      ...system(systemOf(detail) ?? node.system, clock),
    };
    const terms = Object.entries(rows).filter(([, text]) => text !== "");
    const { children } = this.element;
    while (children.length > terms.length) {
      this.element.lastChild.remove();
    }
    while (children.length < terms.length) {
      this.element.append(el("div", {}, el("dt", {}), el("dd", {})));
    }
    terms.forEach(([term, text], i) => {
      write(children[i].firstChild, term);
      write(children[i].lastChild, text);
    });
  }
}

function numbers({ fresh, stats, cores }, load) {
  const of = cores === null ? "" : ` of ${count(cores, "core")}`;
  const loads = known(load?.load1) ? [load.load1, load.load5, load.load15] : [];
  return {
    CPU: fresh ? `${percent(stats.cpuUsed)}${of}` : "",
    Memory: stats === null ? "" : bytes(stats.memoryTotal),
    Disk: stats === null ? "" : bytes(stats.diskTotal),
    "Load 1, 5, 15 min": fresh ? loads.map(number).join(" · ") : "",
  };
}

function system(section, clock) {
  if (section === null) {
    return {};
  }
  return {
    System: section.os,
    Kernel: `${section.kernel}, ${section.architecture}`,
    "Running for": duration(clock - section.bootTime),
    Agent: `${section.agentVersion} on Python ${section.pythonVersion}`,
    Scope: section.scope === "container" ? "a container’s share of the machine" : "",
  };
}
