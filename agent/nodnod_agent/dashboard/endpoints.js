// The endpoints at which this browser can reach agents: the page's own, and the other members'.

const LOOPBACK = /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/;

export class Endpoints {
  /** `page` is the address of the page, a URL or `location`. */
  constructor(page) {
    this.page = new URL(".", page.href);
    this.home = this.#endpoint(this.page.host, this.page.host);
    this.home.isHome = true;
    this.others = [];
    this.first = null; // the endpoint to try first, once
    this.lost = null; // the endpoint of the last connection, once that has ended
  }

  /** Take the rows of a members answer; the first row is the agent at `connected`. */
  update(members, connected) {
    connected.name = members[0]?.name ?? connected.name;
    const home = members.find(({ name }) => name === this.home.name);
    this.home.up = home === undefined || home.state === "up";
    this.others = members
      .filter((member) => member.state !== "left" && member.version !== 1)
      .map(({ address, name, state }) =>
        this.#endpoint(this.#reachable(address), name, state === "up"),
      )
      .filter((endpoint) => endpoint !== null && endpoint.url !== this.home.url)
      .filter((endpoint) => endpoint.name !== this.home.name);
  }

  /** All endpoints in the order to try: `first`, those up, the one just lost behind them. */
  candidates() {
    const rank = (endpoint) =>
      endpoint.url === this.first?.url ? -1 : (endpoint.up ? 0 : 4) + (this.#isLost(endpoint) ? 2 : 0);
    return [this.home, ...this.others]
      .map((endpoint) => [rank(endpoint) + (endpoint.isHome ? 0 : Math.random()), endpoint])
      .sort(([one], [other]) => one - other)
      .map(([, endpoint]) => endpoint);
  }

  /** The endpoints of the other members that are up. */
  up() {
    return this.others.filter((endpoint) => endpoint.up);
  }

  /** Links to the same view on the pages of at most five other members. */
  pages() {
    return this.others
      .filter((endpoint) => endpoint.up && !this.#isLost(endpoint))
      .slice(0, 5)
      .map(({ name, href }) => ({ name, href: href + location.hash }));
  }

  #isLost({ url, name }) {
    return this.lost !== null && (url === this.lost.url || name === this.lost.name);
  }

  /** An agent that advertises a loopback address is expected on the host of this page. */
  #reachable(address) {
    const own = this.page.hostname;
    const found = /^(.*):(\d+)$/.exec(address);
    const remote = found !== null && LOOPBACK.test(found[1]) && !LOOPBACK.test(own);
    return remote ? `${own}:${found[2]}` : address;
  }

  #endpoint(address, name, up = true) {
    try {
      const parsed = new URL(`${this.page.protocol}//${address}/`).href;
      const href = address === this.page.host ? this.page.href : parsed;
      return { address, name, up, href, url: href.replace(/^http/, "ws"), isHome: false };
    } catch {
      return null; // not an address for a browser, such as IPv6 with a zone
    }
  }
}
