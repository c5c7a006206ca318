// Where agents can be reached from this browser: the one that served the page, and its members.

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export class Places {
  /** `page` is the address of the page, as `location` has it. */
  constructor(page) {
    this.page = new URL(".", page.href);
    this.home = this.#place(this.page.host, this.page.host);
    this.home.isHome = true;
    this.others = [];
    this.lost = null; // where we were last, and are no more
  }

  /** Take the rows of a members answer; the first is the agent that we are connected to. */
  learn(members, connected) {
    connected.name = members[0]?.name ?? connected.name;
    const home = members.find(({ name }) => name === this.home.name);
    this.home.up = home === undefined || home.state === "up";
    this.others = members
      .filter((member) => member.state !== "left" && member.version !== 1)
      .map((member) => this.#place(this.#seen(member.address), member.name, member.state === "up"))
      .filter((place) => place !== null && place.url !== this.home.url)
      .filter((place) => place.name !== this.home.name);
  }

  /** All of them in the order in which to try: those up first, the one just lost behind them. */
  inTurn() {
    const rank = (place) => (place.up ? 0 : 4) + (this.#isLost(place) ? 2 : 0);
    return [this.home, ...this.others]
      .map((place) => [rank(place) + (place.isHome ? 0 : Math.random()), place])
      .sort(([one], [other]) => one - other)
      .map(([, place]) => place);
  }

  /** The same view on the pages of other members, for whoever would rather go there. */
  pages() {
    return this.others
      .filter((place) => place.up && !this.#isLost(place))
      .slice(0, 5)
      .map(({ name, href }) => ({ name, href: href + location.hash }));
  }

  #isLost(place) {
    return this.lost !== null && (place.url === this.lost.url || place.name === this.lost.name);
  }

  /** An agent that listens on loopback is, seen from elsewhere, where this page came from. */
  #seen(address) {
    const own = this.page.hostname;
    const found = /^(.*):(\d+)$/.exec(address);
    const away = found !== null && LOOPBACK.test(found[1]) && !LOOPBACK.test(own);
    return away ? `${own}:${found[2]}` : address;
  }

  #place(address, name, up = true) {
    try {
      const href = new URL(`${this.page.protocol}//${address}/`).href;
      const own = address === this.page.host ? this.page.href : href;
      return { address, name, up, href: own, url: own.replace(/^http/, "ws"), isHome: false };
    } catch {
      return null; // no browser can reach that: an IPv6 zone, for one
    }
  }
}
